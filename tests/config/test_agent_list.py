"""A list of agents, each with its name and settings, becomes complete settings."""

from dataclasses import dataclass

import flax.linen as nn
import pytest

from elsinore.algos.dqn import DQNConfig
from elsinore.config.agent_list import with_complete_agents, with_own_settings
from elsinore.config.learners import program_of
from elsinore.config.load import load_experiment, whole_experiment, with_settings
from elsinore.config.parse import as_dict
from elsinore.config.plan import plan_for
from elsinore.config.plan_lines import plan_facts
from elsinore.config.population import members_of
from elsinore.config.yaml_files import yaml_text
from elsinore.errors import ConfigError
from elsinore.runs.run_dir import free_name
from elsinore.runs.trust.named_code import marked

SMALL = {"algo.num_envs": 2, "algo.rollout_length": 8, "algo.num_minibatches": 1}


class Plain(nn.Module):
    num_outputs: int

    @nn.compact
    def __call__(self, obs):
        x = obs.ravel()
        return nn.Dense(self.num_outputs)(x), nn.Dense(1)(x)[0]


@dataclass(frozen=True)
class VariantConfig(DQNConfig):
    pass


def variant(config: VariantConfig, env, env_params, num_updates, network=None):
    raise NotImplementedError  # its settings alone are used


VARIANT = "tests.config.test_agent_list:variant"


def agents(*each, env="Catch-bsuite", **more):
    return load_experiment(env, overrides=SMALL | {"agents": list(each)} | more)


def test_agents_have_the_settings_of_algo_and_their_own():
    found = agents({"id": "ann"}, {"gamma": 0.5, "rnd.weight": 0.1}, {"rnd": {"weight": 0.2}})
    assert found.agents.names == ["ann", "agent_1", "agent_2"] and found.agents.number == 3
    assert [each.algo.gamma for each in found.agents.each] == [found.algo.gamma, 0.5, 0.99]
    assert [each.algo.rnd.weight for each in found.agents.each] == [0.0, 0.1, 0.2]
    assert all(each.algo.num_envs == 2 for each in found.agents.each)


def test_an_experiment_names_the_algorithms_of_all_agents():
    assert agents({"algo": "dqn"}, {}, {"algo": "dqn"}).algorithms == "dqn, ppo"
    assert agents({}, {"gamma": 0.5}).algorithms == "ppo"
    assert load_experiment("Catch-bsuite", "a2c").algorithms == "a2c"


def test_a_new_runs_folder_is_named_by_the_algorithms_of_all_agents(tmp_path):
    name = free_name(tmp_path, agents({"algo": "dqn"}, {}))
    assert name.startswith("Catch-bsuite-dqn-ppo-")


def test_settings_may_have_the_names_that_they_have_elsewhere():
    found = agents({"algo.name": "dqn", "algo.tau": 0.5}, {"algo.gamma": 0.5})
    first, second = (each.algo for each in found.agents.each)
    assert (first.name, first.tau, second.gamma) == ("dqn", 0.5, 0.5)


def test_another_algorithm_has_its_preset_and_as_many_gradient_steps_for_each_env_step():
    alone = load_experiment("Catch-bsuite", "dqn").algo
    found = agents({"id": "ann"}, {"algo": "dqn"}, {"algo": {"name": "dqn", "gradient_steps": 3}})
    dqn = found.agents.each[1].algo
    assert (dqn.name, dqn.num_envs, dqn.rollout_length) == ("dqn", 2, 8)
    assert dqn.gradient_steps == round(alone.gradient_steps * 16 / alone.steps_per_update)
    assert (dqn.learning_rate, dqn.buffer_size) == (alone.learning_rate, alone.buffer_size)
    assert found.agents.each[2].algo.gradient_steps == 3


def test_a_written_list_of_agents_is_read_as_it_was():
    found = agents({"id": "ann"}, {"id": "bob", "algo": "dqn"})
    assert whole_experiment(as_dict(found)) == found
    assert "id: bob" in yaml_text(as_dict(found))


@pytest.mark.parametrize(
    ("settings", "same"),
    [({"gamma": 0.5}, True), ({"learning_rate": 1e-3}, True), ({"ent_coef": 0.1}, True),
     ({"num_epochs": 7}, False), ({"rnd.weight": 0.1}, False), ({"algo": "a2c"}, False)],
)  # fmt: skip
def test_agents_whose_traced_numbers_alone_differ_are_one_program(settings, same):
    one, other = agents({"id": "ann"}, settings).agents.each
    assert (program_of(one.algo) == program_of(other.algo)) is same


def test_agents_that_differ_never_share_a_learner_by_themselves():
    names = [{"id": f"a{i}"} for i in range(12)]
    assert agents(*names).agents.shared
    assert not agents(*names[:-1], {"id": "last", "gamma": 0.5}).agents.shared


def test_the_plan_has_the_settings_of_each_agent_that_differ():
    plan = plan_for(agents({"id": "ann"}, {"id": "bob", "gamma": 0.5}))
    lines = "\n".join(plan_facts(plan))
    assert "ann: ppo" in lines and "bob: ppo gamma=0.5" in lines


def test_the_plan_writes_settings_of_agents_as_a_config_does():
    bob = {"id": "bob", "algo": "dqn", "double": False}
    lines = "\n".join(plan_facts(plan_for(agents({"id": "ann"}, bob))))
    assert "double=false" in lines


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"algo": "sac"}, r"^agents\[{}\].algo='sac' learns continuous actions"),
        ({"algo": "dqn", "dueling": True, "network.custom": "tests.config.test_agent_list:Plain"},
         r"^agents\[{}\].algo.dueling=True applies to the built-in networks"),
        ({"network.custom": "nowhere:Net"},
         r"^agents\[{}\].algo.network.custom='nowhere:Net' cannot be imported"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", [0, 1])
def test_a_refusal_of_an_algorithm_names_its_agent(settings, reason, place):
    each = [{"id": "ann"}, {"id": "bob"}]
    each[place] |= settings
    with pytest.raises(ConfigError, match=reason.format(place)):
        plan_for(agents(*each))


def test_a_refusal_of_what_all_agents_have_names_the_setting_of_all():
    named = {"algo.network.custom": "nowhere:Net"}
    with pytest.raises(ConfigError, match=r"^algo.network.custom='nowhere:Net' cannot be"):
        plan_for(agents({"id": "ann"}, {"id": "bob"}, **named))


def gammas(experiment) -> list[float]:
    return [each.algo.gamma for each in experiment.agents.each]


def test_an_agent_follows_a_later_change_of_all_that_it_does_not_set_itself(tmp_path):
    found = agents({"id": "ann"}, {"id": "bob", "gamma": 0.5}, {"id": "cat", "algo": "dqn"})
    of_cat = found.agents.each[2].algo
    changed = with_settings(found, {"algo.gamma": 0.9, "algo.network.hidden": [4]})
    assert gammas(changed) == [0.9, 0.5, of_cat.gamma] and changed.algo.gamma == 0.9
    hidden = [list(each.algo.network.hidden) for each in changed.agents.each]
    assert hidden == [[4], [4], list(of_cat.network.hidden)]
    (tmp_path / "config.yaml").write_text(yaml_text(as_dict(found)))
    for config in (found, as_dict(found), tmp_path / "config.yaml"):  # of a run
        again = load_experiment(config=config, overrides={"algo.gamma": 0.9, "algo.num_envs": 4})
        assert gammas(again) == [0.9, 0.5, of_cat.gamma]
        assert [each.algo.num_envs for each in again.agents.each] == [4, 4, 4]
        assert load_experiment(config=config) == found


def test_an_agent_with_another_algorithm_keeps_its_gradient_steps_for_each_env_step(tmp_path):
    found = agents({"id": "ann"}, {"id": "cat", "algo": "dqn"})
    longer = {"algo.num_envs": 16, "algo.rollout_length": 32}
    fresh = agents({"id": "ann"}, {"id": "cat", "algo": "dqn"}, **longer).agents.each[1].algo
    assert fresh.gradient_steps > found.agents.each[1].algo.gradient_steps
    for changed in (with_settings(found, longer), load_experiment(config=found, overrides=longer)):
        assert changed.agents.each[1].algo == fresh
    named = agents({"id": "ann"}, {"id": "cat", "algo": "dqn", "gradient_steps": 3})
    assert with_settings(named, longer).agents.each[1].algo.gradient_steps == 3


@pytest.mark.parametrize(
    ("algo", "each"),
    [
        ("ppo", [{}, {"gamma": 0.5, "rnd.weight": 0.1}]),
        ("ppo", [{}, {"algo": "dqn"}, {"algo": "dqn", "gradient_steps": 3}]),
        ("dqn", [{}, {"algo": "rainbow"}, {"algo": "a2c", "ent_coef": 0.1}]),
        ("ppo", [{}, {"algo": VARIANT}]),
        (VARIANT, [{"gamma": 0.5}, {"algo": "dqn"}, {}]),
        ("dqn", [{"algo": "tests.toys:toy", "ballast": 2}, {}]),
    ],
)
def test_what_is_an_agents_own_gives_all_of_its_settings_again(algo, each):
    small = {"algo.num_envs": 2, "algo.rollout_length": 8, "agents": each}
    found = load_experiment("Catch-bsuite", algo, overrides=small)
    data = as_dict(found)
    assert with_complete_agents(with_own_settings(data)) == data
    recorded = whole_experiment(marked(data))  # its code is not imported
    longer = with_settings(recorded, {"env_steps": found.env_steps + 16})
    assert longer.agents == recorded.agents
    assert as_dict(longer)["agents"] == data["agents"]


def sharing(more=None, **settings):
    """Two agents of one learner with these settings."""
    each = [{"id": name, **settings} for name in ("ann", "bob")]
    team = {"agents": {"each": each, "sharing": "shared"}}
    return load_experiment("Catch-bsuite", overrides=SMALL | team | (more or {}))


def test_members_of_a_population_whose_agents_have_names_differ():
    vary = {"vary": {"algo.gamma": [0.9, 0.99]}}
    assert [gammas(each) for each in members_of(sharing(vary))] == [[0.9, 0.9], [0.99, 0.99]]
    with pytest.raises(ConfigError, match="vary.algo.gamma changes algo, and the agents in agents"):
        sharing(vary, gamma=0.5)


def test_the_one_learner_of_listed_agents_is_the_one_that_is_checked():
    with pytest.raises(ConfigError, match=r"agents.each\[0\].num_envs=4 cannot differ"):
        plan_for(sharing(num_envs=4))
    with pytest.raises(ConfigError, match="critic='joint' is of algo: .* not of algo='dqn'"):
        sharing({"agents.critic": "joint"}, algo="dqn")


def test_only_agents_that_step_together_can_be():
    with pytest.raises(ConfigError, match=r"agents.each\[1\].rollout_length=4 cannot differ"):
        agents({"id": "ann"}, {"rollout_length": 4})
    with pytest.raises(ConfigError, match="vary.algo.gamma changes algo, and the agents in agents"):
        agents({"id": "ann"}, {"gamma": 0.5}, vary={"algo.gamma": [0.9, 0.99]})
