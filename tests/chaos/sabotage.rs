//! Faults that FlowForge cannot have: they spoil its database, so that the checker can be seen to notice.

use std::time::Duration;

use clap::ValueEnum;
use sqlx::{AssertSqlSafe, PgPool};

/// What is spoilt, and which invariant should say so.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Sabotage {
    /// Runs vanish after they were acknowledged (I1).
    LostRun,
    /// Two runs have the same trigger (I2).
    DoubledRun,
    /// A step's answer is replaced by one that nobody gave (I3).
    ForgedOutput,
    /// A record number is skipped (I6).
    Gap,
    /// A run is given to a worker that is alive and does nothing (I8).
    StuckRun,
    /// The end of a run is changed (I9).
    ChangedEnd,
    /// A completed step is taken back, so that it happens again (I9).
    Again,
    /// Requests to cancel vanish after they were acknowledged (I11).
    LostCancel,
    /// The secret is logged (I15).
    Leak,
    /// A transaction is left open (I16).
    OpenTransaction,
}

impl Sabotage {
    /// Spoils the database a few times.
    pub(crate) async fn commit(self, pool: &PgPool, canary: &str) {
        for _ in 0..6 {
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            let sql = self.sql(canary);
            // The database may be down just now.
            if let Err(fault) = sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await {
                eprintln!("{self:?}: {fault}");
            }
        }
    }

    fn sql(self, canary: &str) -> String {
        let finished = "(SELECT id FROM runs WHERE status = 'completed' ORDER BY random() LIMIT 1)";
        let open = "(SELECT id FROM runs WHERE finished_at IS NULL AND next_seq > 4 ORDER BY random() LIMIT 1)";
        let step = "(run_id, node_id) = (SELECT s.run_id, s.node_id FROM step_runs s JOIN runs r ON r.id = s.run_id \
             WHERE r.finished_at IS NULL AND s.status = 'completed' AND s.output->'body'->>'nonce' IS NOT NULL ORDER BY s.finished_seq DESC LIMIT 1)";
        match self {
            Self::LostRun => format!("DELETE FROM runs WHERE id = {finished}"),
            Self::DoubledRun => format!(
                "DROP INDEX IF EXISTS runs_by_dedupe_key; CREATE TEMP TABLE one AS SELECT * FROM runs WHERE id = {finished}; \
                 UPDATE one SET id = gen_random_uuid(); INSERT INTO runs SELECT * FROM one; DROP TABLE one"
            ),
            Self::ForgedOutput => {
                format!("UPDATE step_runs SET output = jsonb_set(output, '{{body,nonce}}', '\"forged\"') WHERE {step}")
            }
            Self::Gap => format!("UPDATE runs SET next_seq = next_seq + 1 WHERE id = {open}"),
            Self::StuckRun => format!(
                "INSERT INTO workers (id, name, started_at, heartbeat_at) VALUES ('00000000-0000-0000-0000-00000000dead', 'dead', 0, \
                 9999999999999) ON CONFLICT DO NOTHING; \
                 UPDATE runs SET owner = '00000000-0000-0000-0000-00000000dead', epoch = epoch + 1 WHERE id = {open}"
            ),
            Self::ChangedEnd => format!("UPDATE runs SET status = 'failed' WHERE id = {finished}"),
            Self::Again => format!(
                "UPDATE step_runs SET status = 'running', finished_seq = NULL, finished_at = NULL, output = NULL, port = NULL WHERE {step}; \
                 UPDATE runs SET owner = NULL, epoch = epoch + 1, wake_at = 0 WHERE id = {open}"
            ),
            Self::LostCancel => "CREATE OR REPLACE FUNCTION lose() RETURNS trigger AS $$ BEGIN \
                 IF NEW.kind = 'cancel' THEN RETURN NULL; END IF; RETURN NEW; END $$ LANGUAGE plpgsql; \
                 CREATE OR REPLACE TRIGGER lose BEFORE INSERT ON run_inbox FOR EACH ROW EXECUTE FUNCTION lose()"
                .to_owned(),
            Self::Leak => format!("UPDATE runs SET input = input || '{{\"leak\": \"{canary}\"}}' WHERE id = {finished}"),
            Self::OpenTransaction => "BEGIN; SELECT 1".to_owned(),
        }
    }
}
