"""Statistics panels as images: bars, facts, and the policy's choices."""

from elsinore.envs.scene import Bars, Choices, Facts, rounded
from elsinore.view.drawing.canvas import Canvas
from elsinore.view.drawing.palette import Palette

BAR, CHOICE, FACT = 38.0, 28.0, 23.0  # height of a row of each, in points


def draw_bars(
    canvas: Canvas, bars: Bars, palette: Palette, x: float, y: float, width: float
) -> None:
    """Draw bars with name and value above; a notch marks the danger limit, a word danger itself."""
    for bar in bars.bars:
        colour = palette.of("danger" if bar.in_danger else bar.role)
        name = f"{bar.name}  ▲ danger" if bar.in_danger else bar.name
        canvas.text(
            x, y + 9, name, colour if bar.in_danger else palette.of("ink"), 13, room=width * 0.55
        )
        canvas.text(
            x + width, y + 9, bar.shown, palette.of("ink"), 13, "rm", True, room=width * 0.45
        )
        canvas.box(x, y + 20, width, 9, palette.empty, 4.5)
        filled = width * min(max(bar.value, 0.0), 1.0)
        canvas.box(x, y + 20, max(filled, 9.0) if filled else 0.0, 9, colour, 4.5)
        for notch in (bar.danger_below, bar.danger_above):
            if notch is not None:
                canvas.box(x + width * notch - 1, y + 17, 2, 15, palette.of("ink"))
        y += BAR


def draw_facts(
    canvas: Canvas, facts: Facts, palette: Palette, x: float, y: float, width: float
) -> None:
    """Draw names on the left and values on the right."""
    for name, value in facts.rows:
        canvas.text(x, y + FACT / 2, name, palette.of("faint"), 13, room=width * 0.5)
        canvas.text(x + width, y + FACT / 2, value, palette.of("ink"), 13, "rm", room=width * 0.6)
        y += FACT


def draw_choices(
    canvas: Canvas, choices: Choices, palette: Palette, x: float, y: float, width: float
) -> None:
    """Draw a row per action with a bar and its value; the chosen one is marked."""
    start, room = x + width * 0.44, width * 0.36
    for choice, share in zip(choices.choices, shares(choices), strict=True):
        middle = y + CHOICE / 2
        role = "agent" if choice.chosen else "calm"
        ink = palette.of("ink" if choice.legal else "faint")
        if choice.chosen:
            canvas.box(x - 8, y + 1, width + 16, CHOICE - 2, palette.panel, 6)
            canvas.text(x, middle, "▶", palette.of("agent"), 11)
        canvas.text(
            x + 16, middle, choice.name, ink, 13, bold=choice.chosen, room=width * 0.44 - 22
        )
        canvas.box(start, middle - 5, room, 10, palette.empty, 5)
        canvas.box(start, middle - 5, room * share, 10, palette.of(role), 5)
        canvas.text(
            x + width, middle, value_shown(choices, choice), ink, 12, "rm", room=width * 0.2 - 6
        )
        y += CHOICE


def shares(choices: Choices) -> list[float]:
    """Length of each action's bar, 0 to 1: its probability, or its value scaled to the range."""
    values = [choice.value for choice in choices.choices]
    if choices.measure == "probability":
        return [min(max(value, 0.0), 1.0) for value in values]
    legal = [choice.value for choice in choices.choices if choice.legal] or [0.0]
    low, spread = min(legal), (max(legal) - min(legal)) or 1.0
    return [
        0.05 + 0.95 * (choice.value - low) / spread if choice.legal else 0.0
        for choice in choices.choices
    ]


def value_shown(choices: Choices, choice) -> str:
    if not choice.legal:
        return "illegal"
    if choices.measure != "probability":
        return rounded(choice.value)
    return f"{100 * choice.value:.{0 if choice.value >= 0.095 or choice.value < 0.0005 else 1}f} %"
