//! What the engine writes: runs, attempts, logs, inbox, workers.

#![expect(unreachable_pub, reason = "the derive asks for public types; the module keeps them inside the store")]

pub(in crate::store) mod run {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "runs")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub workspace_id: Uuid,
        pub workflow_id: Uuid,
        pub version: i32,
        pub status: String,
        pub trigger: String,
        pub trigger_node: Option<String>,
        #[sea_orm(column_type = "JsonBinary")]
        pub input: Json,
        #[sea_orm(column_type = "JsonBinary", nullable)]
        pub output: Option<Json>,
        #[sea_orm(column_type = "JsonBinary", nullable)]
        pub error: Option<Json>,
        pub epoch: i64,
        pub owner: Option<Uuid>,
        pub next_seq: i64,
        pub crashes: i32,
        pub dedupe_key: Option<String>,
        pub dedupe_hash: Option<String>,
        pub wake_at: Option<i64>,
        pub deadline_at: Option<i64>,
        pub started_seq: Option<i64>,
        pub cancel_seq: Option<i64>,
        pub finished_seq: Option<i64>,
        pub created_at: i64,
        pub started_at: Option<i64>,
        pub cancel_requested_at: Option<i64>,
        pub finished_at: Option<i64>,
        pub priority: i16,
        pub parent_run_id: Option<Uuid>,
        pub parent_node: Option<String>,
        pub parent_attempt: Option<i32>,
        pub parent_index: Option<i32>,
        pub body: Option<String>,
        pub depth: i32,
        pub origin_run_id: Option<Uuid>,
        pub concurrency_key: Option<String>,
        pub concurrency_limit: Option<i32>,
        pub admitted_at: Option<i64>,
        pub paused_at: Option<i64>,
        #[sea_orm(column_type = "JsonBinary", nullable)]
        pub signals: Option<Json>,
        #[sea_orm(column_type = "JsonBinary", nullable)]
        pub response: Option<Json>,
        pub begun_epoch: Option<i64>,
        pub started_by: Option<Uuid>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(in crate::store) mod step {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "step_runs")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub run_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub node_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub item: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub attempt: i32,
        pub status: String,
        #[sea_orm(column_type = "JsonBinary", nullable)]
        pub input: Option<Json>,
        #[sea_orm(column_type = "JsonBinary", nullable)]
        pub output: Option<Json>,
        #[sea_orm(column_type = "JsonBinary", nullable)]
        pub error: Option<Json>,
        pub port: Option<String>,
        pub started_seq: Option<i64>,
        pub waiting_seq: Option<i64>,
        pub finished_seq: Option<i64>,
        pub started_at: Option<i64>,
        pub finished_at: Option<i64>,
        pub wake_at: Option<i64>,
        #[sea_orm(column_type = "JsonBinary", nullable)]
        pub awaiting: Option<Json>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(in crate::store) mod log {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "step_logs")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub run_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub seq: i64,
        pub node_id: String,
        pub item: String,
        pub attempt: i32,
        pub stream: String,
        pub text: String,
        pub at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(in crate::store) mod inbox {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "run_inbox")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub run_id: Uuid,
        pub kind: String,
        #[sea_orm(column_type = "JsonBinary")]
        pub body: Json,
        pub created_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(in crate::store) mod worker {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "workers")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub name: String,
        pub started_at: i64,
        pub heartbeat_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
