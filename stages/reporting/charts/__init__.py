"""One function a chart: numbers in, an altair chart out, turned into static SVG by ``svg``."""
