//! What begins runs by itself, and what came to it.

#![expect(unreachable_pub, reason = "the derive asks for public types; the module keeps them inside the store")]

pub(in crate::store) mod trigger {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "triggers")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub workspace_id: Uuid,
        pub workflow_id: Uuid,
        pub node_id: String,
        pub node_name: Option<String>,
        pub kind: String,
        pub status: String,
        pub version: i32,
        #[sea_orm(column_type = "JsonBinary")]
        pub params: Json,
        pub token: String,
        pub paused_at: Option<i64>,
        pub revision: i32,
        pub auth_at: i64,
        pub next_fire_at: Option<i64>,
        pub last_slot: Option<i64>,
        pub created_at: i64,
        pub updated_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(in crate::store) mod delivery {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "deliveries")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub workspace_id: Uuid,
        pub trigger_id: Uuid,
        pub status: String,
        pub reason: Option<String>,
        pub dedupe_key: Option<String>,
        pub signed_hash: Option<String>,
        pub delivery_id: Option<String>,
        pub slot: Option<i64>,
        pub duplicate_of: Option<Uuid>,
        pub replay_of: Option<Uuid>,
        pub is_test: bool,
        pub version: Option<i32>,
        pub run_id: Option<Uuid>,
        pub depth: i32,
        pub received_at: i64,
        pub decided_at: Option<i64>,
        pub started_at: Option<i64>,
        pub remote_addr: Option<String>,
        pub body_hash: Option<String>,
        pub body_size: i64,
        #[sea_orm(column_type = "JsonBinary")]
        pub headers: Json,
        #[sea_orm(column_type = "JsonBinary", nullable)]
        pub query: Option<Json>,
        pub body: Option<Vec<u8>>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(in crate::store) mod fired_slot {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "fired_slots")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub trigger_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub slot: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
