//! Answers of models that are kept for a while, so that the same question is paid for once.

use flowforge_core::WorkspaceId;
use sea_orm::{FromQueryResult, Statement};
use serde_json::Value;

use super::Store;
use crate::error::Result;

/// How long an answer is kept, in milliseconds: a week.
const KEPT_MS: i64 = 7 * 24 * 3_600 * 1_000;
/// The largest answer that is kept, in bytes.
const LARGEST: usize = 256 * 1024;
/// How many a workspace keeps, the newest.
const MOST: u64 = 2_000;

impl Store {
    /// An answer that is kept for a question of a workspace.
    pub(crate) async fn answer(&self, workspace: WorkspaceId, question: &str) -> Result<Option<Value>> {
        let sql =
            format!("SELECT answer FROM cached_answers WHERE workspace_id = $1 AND key = $2 AND expires_at > {}", self.now_sql());
        let statement = Statement::from_sql_and_values(self.backend(), sql, [workspace.uuid().into(), question.into()]);
        Ok(Answer::find_by_statement(statement).one(&self.read).await?.map(|row| row.answer))
    }

    /// Keeps an answer in the place of an earlier one. Nothing is kept of what is too large, or of what PostgreSQL cannot hold.
    pub(crate) async fn keep_answer(&self, workspace: WorkspaceId, question: &str, answer: &Value) -> Result<()> {
        let text = answer.to_string();
        if text.len() > LARGEST || text.contains("\\u0000") {
            return Ok(());
        }
        let now = self.now_sql();
        let sql = format!(
            "INSERT INTO cached_answers (workspace_id, key, size, created_at, expires_at, answer) VALUES ($1, $2, $3, {now}, {now} + {KEPT_MS}, $4) \
             ON CONFLICT (workspace_id, key) DO UPDATE SET size = excluded.size, created_at = excluded.created_at, \
             expires_at = excluded.expires_at, answer = excluded.answer"
        );
        let size = i64::try_from(text.len()).unwrap_or(i64::MAX);
        let json = sea_orm::Value::Json(Some(Box::new(answer.clone())));
        self.execute(sql, [workspace.uuid().into(), question.into(), size.into(), json]).await?;
        Ok(())
    }

    /// Removes answers whose time is over, and those that are too many.
    pub(crate) async fn forget_answers(&self) -> Result<u64> {
        let sql = format!(
            "DELETE FROM cached_answers WHERE expires_at <= {} OR (workspace_id, key) IN (SELECT workspace_id, key FROM (SELECT workspace_id, key, \
             row_number() OVER (PARTITION BY workspace_id ORDER BY created_at DESC, key) AS place FROM cached_answers) AS kept WHERE place > {MOST})",
            self.now_sql()
        );
        self.execute(sql, []).await
    }
}

#[derive(FromQueryResult)]
struct Answer {
    answer: Value,
}

#[cfg(test)]
mod tests {
    use flowforge_migrations::{Migrator, MigratorTrait};
    use serde_json::json;

    use super::*;
    use crate::{
        clock,
        store::{Location, differential::rows::fresh_database},
    };

    #[tokio::test]
    async fn an_answer_is_kept_replaced_and_forgotten_and_its_workspace_s_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut locations = vec![Location::Sqlite(folder.path().join("answers.db"))];
        if let Ok(server) = std::env::var("FLOWFORGE_TEST_POSTGRES") {
            locations.push(Location::Postgres(fresh_database(&server).await));
        }
        for location in locations {
            let store = Store::connect(&location).await.unwrap();
            Migrator::up(store.connection(), None).await.unwrap();
            let [ours, theirs] = [(); 2].map(|()| WorkspaceId::new(clock::new_uuid()));
            for answer in [json!({"text": "4"}), json!({"text": "four"})] {
                store.keep_answer(ours, "2 + 2", &answer).await.unwrap();
                assert_eq!(store.answer(ours, "2 + 2").await.unwrap(), Some(answer));
            }
            assert_eq!(store.answer(theirs, "2 + 2").await.unwrap(), None);
            store.keep_answer(ours, "large", &json!("x".repeat(LARGEST))).await.unwrap();
            store.keep_answer(ours, "zero", &json!("a\u{0}b")).await.unwrap();
            for question in ["large", "zero"] {
                assert_eq!(store.answer(ours, question).await.unwrap(), None);
            }
            assert_eq!(store.forget_answers().await.unwrap(), 0);
            store.execute("UPDATE cached_answers SET expires_at = 1".to_owned(), []).await.unwrap();
            assert_eq!(store.answer(ours, "2 + 2").await.unwrap(), None);
            assert_eq!(store.forget_answers().await.unwrap(), 1);
        }
    }
}
