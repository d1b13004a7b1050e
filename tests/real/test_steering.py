"""Texts that talk to the judge lift likelihood, the default method, by no more than is stated."""

import pytest

pytestmark = pytest.mark.models
PAIRS = 4
