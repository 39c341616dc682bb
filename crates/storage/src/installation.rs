//! What there is once for each database.

use crate::{Database, Result, StorageError, clock, sql::Statement};

impl Database {
    /// The id of this database, 32 or more characters, the same for every node and for ever; made by the first who asks.
    pub async fn installation_id(&self) -> Result<String> {
        let insert = Statement::new(
            "INSERT INTO installation (name, value) VALUES ('id', $1) ON CONFLICT (name) DO NOTHING",
        )
        .bind(clock::new_id());
        self.write(insert).await?;
        let select = Statement::new("SELECT value FROM installation WHERE name = 'id'");
        let row = self.read_one(select).await?.ok_or_else(|| StorageError::CorruptRow {
            column: "installation.value",
            reason: "the id of the database is missing".into(),
        })?;
        row.text("value")
    }
}
