"""What pytorch_fixture.py and pytorch_layers.py make and print numbers with."""
import torch


def rounded(*shape, scale=1.0):
    """Random numbers with two decimals, so that they print exactly."""
    return (torch.randn(*shape, dtype=torch.float64) * scale * 100).round() / 100


def braces(values, form):
    lines, line = [], ""
    for text in (form(v) for v in values):
        if len(line) + len(text) > 86:
            lines.append(line.rstrip())
            line = ""
        line += text + ", "
    lines.append(line.rstrip(", "))
    return "{" + "\n        ".join(lines) + "}"
