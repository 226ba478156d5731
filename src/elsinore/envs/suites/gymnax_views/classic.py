"""The classic control problems, drawn to scale."""

import math

from elsinore.envs.scene import (
    Bar,
    Bars,
    Circle,
    Facts,
    Figure,
    Line,
    Rectangle,
    Words,
    rounded,
)
from elsinore.envs.view import Panels, View, titled

DEGREES = 180.0 / math.pi


@titled
def cartpole(env, params, state) -> Panels:
    """The cart on its track, to scale, between the two positions of termination."""
    x, angle = float(state.x), float(state.theta)
    limit, tilt = float(params.x_threshold), float(params.theta_threshold_radians)
    aspect, track = 1.6, 0.3
    metre = 0.9 * aspect / (2 * limit)
    cart, top = aspect / 2 + metre * x, track + 0.1
    length = 2 * float(params.length) * metre  # the parameter is half of the pole
    pole = ((cart, top), (cart + length * math.sin(angle), top + length * math.cos(angle)))
    ends = [aspect / 2 + side * limit * metre for side in (-1, 1)]
    shapes = (
        Line(((0.0, track), (aspect, track)), "faint", 0.008),
        *(Line(((end, track - 0.07), (end, track + 0.07)), "danger", 0.012) for end in ends),
        *(
            Words(end, track - 0.13, f"{side}{rounded(limit)} m", "faint")
            for end, side in zip(ends, "-+", strict=True)
        ),
        Rectangle(cart, track + 0.05, 0.2, 0.1, "agent"),
        Line(pole, "goal", 0.03),
        Circle(*pole[0], 0.018, "ink"),
    )
    facts = (
        ("position", f"{x:+.2f} m"),
        ("speed", f"{float(state.x_dot):+.2f} m/s"),
        ("angle", f"{angle * DEGREES:+.1f}°"),
        ("turning", f"{float(state.theta_dot) * DEGREES:+.0f}°/s"),
    )
    bars = (
        Bar(
            "tilt",
            min(abs(angle) / tilt, 1.0),
            f"{abs(angle) * DEGREES:.1f}° of {tilt * DEGREES:.0f}°",
            danger_above=0.7,
        ),
        Bar(
            "off the middle",
            min(abs(x) / limit, 1.0),
            f"{abs(x):.2f} of {rounded(limit)} m",
            danger_above=0.7,
        ),
    )
    return Figure("cart and pole", aspect, shapes), Bars("limits", bars), Facts("state", facts)


@titled
def pendulum(env, params, state) -> Panels:
    """The rod on its pivot; the goal is upright."""
    angle, torque = float(state.theta), float(state.last_u)
    angle = (angle + math.pi) % (2 * math.pi) - math.pi
    middle, length = 0.5, 0.36
    end = (middle + length * math.sin(-angle), middle + length * math.cos(angle))
    shapes = (
        Line(((middle, middle), (middle, middle + length)), "faint", 0.006),
        Words(middle, middle + length + 0.06, "goal", "faint"),
        Line(((middle, middle), end), "agent", 0.045),
        Circle(*end, 0.05, "agent"),
        Circle(middle, middle, 0.02, "ink"),
    )
    bars = (
        Bar(
            "off upright",
            abs(angle) / math.pi,
            f"{abs(angle) * DEGREES:.0f}° of 180°",
            danger_above=0.9,
        ),
        Bar(
            "torque used",
            min(abs(torque) / float(params.max_torque), 1.0),
            f"{abs(torque):.2f} N m",
            "gain",
        ),
    )
    facts = (
        ("angle", f"{angle * DEGREES:+.0f}°"),
        ("turning", f"{float(state.theta_dot):+.2f} rad/s"),
        ("last torque", f"{torque:+.2f} N m"),
    )
    return Figure("pendulum", 1.0, shapes), Bars("effort", bars), Facts("state", facts)


@titled
def acrobot(env, params, state) -> Panels:
    """Two links; the goal line is one link above the pivot."""
    first, second = float(state.joint_angle1), float(state.joint_angle2)
    links = (float(params.link_length_1), float(params.link_length_2))
    scale, middle = 0.45 / sum(links), 0.5
    elbow = (
        middle + scale * links[0] * math.sin(first),
        middle - scale * links[0] * math.cos(first),
    )
    bent = first + second
    tip = (
        elbow[0] + scale * links[1] * math.sin(bent),
        elbow[1] - scale * links[1] * math.cos(bent),
    )
    goal = middle + scale * 1.0
    height = (tip[1] - middle) / scale
    shapes = (
        Line(((0.05, goal), (0.95, goal)), "goal", 0.006),
        Words(0.12, goal + 0.04, "goal", "goal"),
        Line(((middle, middle), elbow), "agent", 0.04),
        Line((elbow, tip), "rest", 0.04),
        *(Circle(*joint, 0.022, "ink") for joint in ((middle, middle), elbow)),
        Circle(*tip, 0.03, "gain"),
    )
    bars = (
        Bar(
            "height of the tip",
            (height + sum(links)) / (1.0 + sum(links)),
            f"{height:+.2f} of +1 m",
            "gain",
        ),
    )
    facts = (
        ("first joint", f"{first * DEGREES:+.0f}°"),
        ("second joint", f"{second * DEGREES:+.0f}°"),
        ("first turning", f"{float(state.velocity_1):+.2f} rad/s"),
        ("second turning", f"{float(state.velocity_2):+.2f} rad/s"),
    )
    return Figure("acrobot", 1.0, shapes), Bars("progress", bars), Facts("state", facts)


@titled
def mountain_car(env, params, state) -> Panels:
    """The valley to scale; the episode terminates at the flag."""
    x, low, high = float(state.position), float(params.min_position), float(params.max_position)
    goal, aspect = float(params.goal_position), 1.6

    def place(position: float) -> tuple[float, float]:
        """A position of the env in the figure; the height of the hill is sin(3 x)."""
        across = 0.05 + (position - low) / (high - low) * (aspect - 0.1)
        return across, 0.2 + 0.3 * (math.sin(3 * position) + 1.0)

    hill = tuple(place(low + (high - low) * i / 80) for i in range(81))
    foot, car = place(goal), place(x)
    slope = math.cos(3 * x)  # of the hill under the car, to stand it on the ground
    upright = (-slope / math.hypot(1, slope), 1 / math.hypot(1, slope))
    shapes = (
        Line(hill, "faint", 0.012),
        Line((foot, (foot[0], foot[1] + 0.14)), "ink", 0.008),
        Rectangle(foot[0] + 0.04, foot[1] + 0.115, 0.08, 0.05, "goal"),
        Circle(car[0] + 0.045 * upright[0], car[1] + 0.045 * upright[1], 0.045, "agent"),
    )
    speed = float(state.velocity)
    bars = (
        Bar(
            "way to the flag",
            min(max((x - low) / (goal - low), 0.0), 1.0),
            f"{x:+.2f} of {goal:+.2f}",
            "gain",
        ),
        Bar("speed", min(abs(speed) / float(params.max_speed), 1.0), f"{abs(speed):.3f} a step"),
    )
    facts = (("position", f"{x:+.3f}"), ("velocity", f"{speed:+.4f} a step"))
    return Figure("mountain car", aspect, shapes), Bars("progress", bars), Facts("state", facts)


def _named(*names: str):
    return lambda env, params: names


VIEWS = {
    "CartPole": View(cartpole, _named("push left", "push right"), 50.0),
    "Pendulum": View(pendulum, steps_per_second=20.0),
    "Acrobot": View(acrobot, _named("torque -1", "no torque", "torque +1"), 15.0),
    "MountainCar": View(mountain_car, _named("push left", "coast", "push right"), 30.0),
    "ContinuousMountainCar": View(mountain_car, steps_per_second=30.0),
}
