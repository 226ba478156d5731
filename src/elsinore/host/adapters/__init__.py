"""Our worlds for people who train with something else: as Gymnasium's and PettingZoo's environments."""
