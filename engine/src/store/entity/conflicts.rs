//! Conflicts, and what was tried to resolve them.

#![expect(unreachable_pub, reason = "the derive asks for public types; the module keeps them inside the store")]

pub(in crate::store) mod conflict {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "conflicts")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub workspace_id: Uuid,
        pub run_id: Uuid,
        pub node_id: String,
        pub commit_id: String,
        pub path: String,
        pub kind: String,
        #[sea_orm(column_type = "JsonBinary")]
        pub sides: Json,
        pub created_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(in crate::store) mod resolution {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "conflict_resolutions")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub conflict_id: Uuid,
        pub run_id: Uuid,
        pub method: String,
        pub by: String,
        pub prompt: Option<String>,
        #[sea_orm(column_type = "JsonBinary", nullable)]
        pub answer: Option<Json>,
        #[sea_orm(column_type = "JsonBinary")]
        pub checks: Json,
        pub accepted: bool,
        pub created_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
