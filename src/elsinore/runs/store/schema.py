"""The tables and views of metrics.sqlite.

metrics(update_, seed, agent, name, value)   deterministic: equal in a killed and resumed run
chunks(update_, env_steps, finished_at, seconds, steps_per_second)   times of each chunk; 0 if
                                                                     it was restored
events(at, update_, kind, text)              messages for people; a rowid is given once only
episodes(update_, seed, agent, first, until, name, value)   a view: metrics of the episodes
                                                            first to until - 1
finished(update_, seed, position, agent, return_, length)   with `rows: episode`, each training
                                                            episode, in the order they ended
episode_metrics(episode, agent_id, metric_name, value, seed, update_)   a view of `finished`:
                                                            total_reward and episode_length
"""

STORE_FORMAT = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS metrics (
    update_ INTEGER NOT NULL, seed INTEGER NOT NULL, agent TEXT NOT NULL, name TEXT NOT NULL,
    value REAL,
    PRIMARY KEY (update_, seed, agent, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS chunks (
    update_ INTEGER PRIMARY KEY, env_steps INTEGER, finished_at REAL, seconds REAL,
    steps_per_second REAL);
CREATE TABLE IF NOT EXISTS events (at REAL, update_ INTEGER, kind TEXT, text TEXT);
CREATE TABLE IF NOT EXISTS info (name TEXT PRIMARY KEY, value);
CREATE VIEW IF NOT EXISTS episodes AS
    WITH counted AS (
        SELECT update_, seed, agent, value AS num,
            SUM(value) OVER (PARTITION BY seed, agent ORDER BY update_) AS until
        FROM metrics WHERE name = 'episode/count')
    SELECT update_, seed, agent, CAST(until - num AS INTEGER) AS first,
        CAST(until AS INTEGER) AS until, name, value
    FROM metrics JOIN counted USING (update_, seed, agent)
    WHERE name IN ('episode/return', 'episode/length');
CREATE TABLE IF NOT EXISTS finished (
    update_ INTEGER NOT NULL, seed INTEGER NOT NULL, position INTEGER NOT NULL,
    agent TEXT NOT NULL, return_ REAL, length INTEGER,
    PRIMARY KEY (update_, seed, position)) WITHOUT ROWID;
CREATE VIEW IF NOT EXISTS episode_metrics AS
    WITH numbered AS (
        SELECT ROW_NUMBER() OVER (PARTITION BY seed, agent ORDER BY update_, position) - 1
            AS episode, CASE agent WHEN '' THEN 'agent_0' ELSE agent END AS agent_id, *
        FROM finished)
    SELECT episode, agent_id, 'total_reward' AS metric_name, return_ AS value, seed, update_
    FROM numbered
    UNION ALL
    SELECT episode, agent_id, 'episode_length', length, seed, update_ FROM numbered;
"""
# of each table, in its order
COLUMNS = {
    "metrics": ("update_", "seed", "agent", "name", "value"),
    "chunks": ("update_", "env_steps", "finished_at", "seconds", "steps_per_second"),
    "events": ("at", "update_", "kind", "text"),
    "info": ("name", "value"),
    "finished": ("update_", "seed", "position", "agent", "return_", "length"),
}
