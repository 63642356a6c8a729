//! Workspaces, the people in them, and their sessions.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(workspaces()).await?;
        manager.create_table(users()).await?;
        manager.create_table(memberships()).await?;
        manager.create_table(sessions()).await
    }
}

fn workspaces() -> TableCreateStatement {
    Table::create().table("workspaces").col(uuid("id").primary_key()).col(text("name")).col(big_integer("created_at")).to_owned()
}

fn users() -> TableCreateStatement {
    Table::create()
        .table("users")
        .col(uuid("id").primary_key())
        .col(text("email").unique_key())
        .col(text("password_hash"))
        .col(integer("token_version").default(0))
        .col(big_integer("created_at"))
        .col(big_integer_null("disabled_at"))
        .to_owned()
}

fn memberships() -> TableCreateStatement {
    Table::create()
        .table("memberships")
        .col(uuid("workspace_id"))
        .col(uuid("user_id"))
        .col(text("role"))
        .primary_key(Index::create().col("workspace_id").col("user_id"))
        .to_owned()
}

/// A session is one sign-in through all its refresh tokens. The token before the current one is kept, so that a stolen
/// one that is used again is told from an honest repeat.
fn sessions() -> TableCreateStatement {
    Table::create()
        .table("sessions")
        .col(uuid("id").primary_key())
        .col(uuid("user_id"))
        .col(uuid("workspace_id"))
        .col(text("token_hash").unique_key())
        .col(text_null("previous_hash"))
        .col(big_integer("rotated_at"))
        .col(big_integer("created_at"))
        .col(big_integer("expires_at"))
        .col(big_integer_null("revoked_at"))
        .to_owned()
}
