"""The colour of each meter in pictures, and the level under which it is drawn as a danger."""

LOW = 0.2  # of a meter's range: under it the original's reward is a penalty
METER_ROLES = {
    "energy": "rest", "hygiene": "wash", "satiation": "food", "money": "gain", "social": "play",
    "stress": "work", "mood": "play", "health": "care", "fitness": "care",
}  # fmt: skip
