"""GGUF weights, dequantised once to safetensors."""

import gc
from pathlib import Path

from stages.errors import PipelineError
from stages.model_files.gguf_header import check_header


def convert_gguf(file: Path, folder: Path) -> None:
    """Write the model and tokenizer of the GGUF ``file`` to ``folder`` as float32 safetensors.

    Float32 holds every dequantised value exactly; a narrower copy would add its own rounding.

    Raises:
        PipelineError: When the file's header does not fit its size, or it is not a GGUF model that
            transformers knows.
    """
    check_header(file)
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    local = {"gguf_file": file.name, "local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(file.parent, **local)
        model = AutoModelForCausalLM.from_pretrained(file.parent, **local, dtype=torch.float32)
    except Exception as error:
        # The reader and the converter raise whatever their parsing stumbles over.
        raise PipelineError(
            f"{file.name} could not be converted: {type(error).__name__}: {error}",
            remedy="the file is damaged or of an unknown architecture; fetch it again.",
        ) from error
    # The weights are plain now; what is left of the quantisation would forbid saving them.
    vars(model).update(hf_quantizer=None, is_quantized=False)
    del model.config.quantization_config
    model.config.name_or_path = ""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    del model
    gc.collect()
