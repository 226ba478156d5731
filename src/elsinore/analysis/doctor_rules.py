"""The rules of the doctor: each a check of a run's metrics, its meaning and a remedy."""

from typing import NamedTuple

from elsinore.analysis import doctor_checks as checks
from elsinore.analysis.doctor_checks import Curves, RuleCheck, RunFacts


class DoctorRule(NamedTuple):
    """A symptom, its meaning and what usually helps."""

    name: str
    check: RuleCheck
    means: str
    helps: str
    compares: bool = False  # evaluations with each other


class Finding(NamedTuple):
    """A rule that holds of a run."""

    rule: DoctorRule
    saw: str  # with numbers


RULES = (
    DoctorRule(
        "diverged",
        checks.diverged,
        "Parameters or losses left the finite numbers; nothing after that is learning.",
        "A smaller learning_rate, a finite max_grad_norm, normalize_rewards=true; look for NaN in"
        " the environment with `elsinore check-env`.",
    ),
    DoctorRule(
        "infinite-returns",
        checks.returns_not_finite,
        "The environment gave rewards that are infinite or NaN, or so large that their sum is; no"
        " number that is made from them means anything.",
        "Rewards that are always finite: look for a division by 0, a logarithm or an overflow, with"
        " `elsinore check-env`. Where actions are continuous and the run diverged, what helps"
        " against that comes first.",
    ),
    DoctorRule(
        "entropy-collapse",
        checks.entropy_collapse,
        "The policy became nearly deterministic before it had seen much, and explores no more.",
        "A larger ent_coef, a smaller learning_rate, fewer num_epochs.",
    ),
    DoctorRule(
        "random-policy",
        checks.policy_stays_random,
        "The policy is still nearly uniform at the end: only the entropy bonus moves it.",
        "A smaller ent_coef, a larger learning_rate, and a look at whether rewards arrive at all.",
    ),
    DoctorRule(
        "kl-spikes",
        checks.kl_spikes,
        "Updates throw the policy far from the one that collected the data.",
        "A smaller learning_rate, fewer num_epochs, target_kl=0.02, larger rollouts.",
    ),
    DoctorRule(
        "clipped",
        checks.clipped_often,
        "Most samples are outside the clip range, so that they give no gradient.",
        "A smaller learning_rate or fewer num_epochs; a clip_eps of 0.1 to 0.3.",
    ),
    DoctorRule(
        "still-policy",
        checks.policy_stands_still,
        "Updates hardly change the policy.",
        "A larger learning_rate (3e-4 to 3e-3); clip_eps, vf_coef and max_grad_norm near their"
        " defaults; rewards that differ between actions.",
    ),
    DoctorRule(
        "critic",
        checks.critic_below_zero,
        "The critic predicts returns worse than their mean would, so advantages are mostly noise.",
        "normalize_rewards=true, a larger vf_coef or num_epochs, a gamma that fits the episodes"
        " (1 / (1 - gamma) steps), observations that determine the return.",
    ),
    DoctorRule(
        "overestimation",
        checks.values_too_large,
        "Action values exceed any return that was seen: the maximum in the target feeds on errors.",
        "double=true, a longer target_period, a smaller learning_rate, n_step above 1, loss=huber.",
    ),
    DoctorRule(
        "support",
        checks.returns_beyond_support,
        "Returns are beyond the atoms of C51, which takes them for the least or the greatest.",
        "v_min and v_max around the discounted returns: with rewards from a to b, a / (1 - gamma)"
        " and b / (1 - gamma) always suffice; or distribution=qr, which has no bounds.",
    ),
    DoctorRule(
        "gradient-scale",
        checks.gradients_always_clipped,
        "Gradients are far above the limit, so that only their direction counts: mostly the"
        " critic's, whose errors have the scale of the rewards.",
        "normalize_rewards=true, a smaller vf_coef; or a larger max_grad_norm.",
    ),
    DoctorRule(
        "gradient-growth",
        checks.gradients_explode,
        "Gradients grow during training; divergence often follows.",
        "A smaller learning_rate, learning_rate_final=0, normalize_obs=true, a max_grad_norm.",
    ),
    DoctorRule(
        "no-reward",
        checks.no_reward,
        "All episodes returned the same: there was nothing to learn from.",
        "Exploration (rnd.weight=0.5, a larger ent_coef), shaped rewards, a curriculum, imitation,"
        " or a check of the reward with `elsinore play ENV --human`.",
    ),
    DoctorRule(
        "no-episode",
        checks.no_episode_ended,
        "Returns of training are unknown, because every episode outlasts what was trained.",
        "More env_steps, or a shorter env_params.max_steps_in_episode.",
    ),
    DoctorRule(
        "cut-evaluation",
        checks.evaluation_is_cut,
        "Returns of evaluations are of unfinished episodes, and too small in size.",
        "A larger evaluation.max_steps.",
    ),
    DoctorRule(
        "time-limit",
        checks.stuck_at_the_time_limit,
        "The agent runs into the time limit in every episode and gets no better.",
        "Exploration (rnd.weight, ent_coef), a longer env_params.max_steps_in_episode, a curriculum"
        " that begins nearer to the goal.",
        compares=True,
    ),
    DoctorRule(
        "seeds",
        checks.seeds_disagree,
        "Some seeds learn and others do not: a mean over them describes none.",
        "More seeds before any conclusion (`--seeds 8`), a smaller learning_rate, larger rollouts,"
        " a larger ent_coef.",
        compares=True,
    ),
    DoctorRule(
        "noisy-evaluation",
        checks.evaluation_is_noisy,
        "Chance decides which evaluation is best, and when the target counts as reached.",
        "More evaluation.episodes (four times as many halve the error), a larger window.",
        compares=True,
    ),
    DoctorRule(
        "worse-at-the-end",
        checks.last_is_worse,
        "The policy was better earlier. The checkpoint with the best mean over seeds is kept, and"
        " `play`, `evaluate` and `export` use it by default.",
        "To keep it to the end: learning_rate_final=0, a smaller learning_rate, target_kl=0.02;"
        " normalize_obs=true where observations are larger than 1.",
        compares=True,
    ),
    DoctorRule(
        "plateau",
        checks.plateau_below_target,
        "Half of the training so far brought no better evaluation, and the target was not reached.",
        "A larger ent_coef or network, another gamma, `elsinore sweep`; or"
        " convergence.plateau_patience, to stop earlier.",
        compares=True,
    ),
    DoctorRule(
        "no-progress",
        checks.nothing_is_learnt,
        "Neither the returns of training nor the evaluations are better than at the beginning.",
        "The environment first: does `elsinore play ENV --human`, or a rule, get a better return,"
        " and do observations show what it depends on? Then a learning_rate ten times larger and"
        " smaller, more exploration (ent_coef, rnd.weight), normalize_obs=true, more env_steps.",
        compares=True,
    ),
    DoctorRule(
        "idle-teacher",
        checks.teacher_is_idle,
        "By its labels no state mattered to the teacher, so that imitation taught the policy"
        " nothing.",
        "A teacher whose second value is True in states where it decides, or no imitation.",
    ),
    DoctorRule(
        "few-updates",
        checks.too_few_updates,
        "So few updates are hardly a search.",
        "More env_steps, or a smaller num_envs x rollout_length.",
    ),
)


def rules_for(facts: RunFacts) -> list[DoctorRule]:
    """The rules that a run can be judged by."""
    return [rule for rule in RULES if facts.comparable or not rule.compares]


def findings_of(curves: Curves, facts: RunFacts) -> list[Finding]:
    """The rules that hold, with what each saw."""
    seen = ((rule, rule.check(curves, facts)) for rule in rules_for(facts))
    return [Finding(rule, saw) for rule, saw in seen if saw is not None]
