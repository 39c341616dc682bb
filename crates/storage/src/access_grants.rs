//! Who may use what: grants of a permission for a resource to a user, a group or everybody.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::{
    Database, Result, StorageError, clock,
    sql::{Dialect, Row, Statement, Transaction},
};

/// Most grants of one resource.
const MAX_GRANTS: usize = 1000;

/// Most grants read for a whole type of resource.
const MAX_GRANTS_OF_TYPE: i64 = 50_000;

/// The principal id that stands for everybody.
const EVERYBODY: &str = "*";

/// What can be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// See and use.
    Read,
    /// Change; includes [`Permission::Read`].
    Write,
}

impl Permission {
    /// The name used in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        match name {
            "read" => Some(Self::Read),
            "write" => Some(Self::Write),
            _ => None,
        }
    }
}

/// What grants are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceType {
    /// A model record.
    Model,
    /// A channel.
    Channel,
    /// A chat that is shared.
    SharedChat,
    /// A note.
    Note,
    /// A knowledge base.
    Knowledge,
    /// A folder.
    Folder,
}

impl ResourceType {
    /// The name used in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Channel => "channel",
            Self::SharedChat => "shared_chat",
            Self::Note => "note",
            Self::Knowledge => "knowledge",
            Self::Folder => "folder",
        }
    }
}

/// To whom something is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Principal {
    /// A user, or everybody with the id `*`.
    User,
    /// A group.
    Group,
}

impl Principal {
    fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        match name {
            "user" => Some(Self::User),
            "group" => Some(Self::Group),
            _ => None,
        }
    }
}

/// A grant as clients send it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewGrant {
    /// To whom.
    pub principal_type: Principal,
    /// Id of the user or group, `*` for everybody.
    pub principal_id: String,
    /// What.
    pub permission: Permission,
}

/// A stored grant; serialises to the `Grant` shape of the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Grant {
    /// UUID text.
    pub id: String,
    /// Type of the resource.
    pub resource_type: String,
    /// Id of the resource.
    pub resource_id: String,
    /// To whom.
    pub principal_type: Principal,
    /// Id of the user or group, `*` for everybody.
    pub principal_id: String,
    /// What.
    pub permission: Permission,
    /// When it was granted.
    pub created_at: i64,
}

const COLUMNS: &str = "id, resource_type, resource_id, principal_type, principal_id, permission, created_at";

impl Grant {
    fn from_row(row: &Row) -> Result<Self> {
        let (principal, permission) = (row.text("principal_type")?, row.text("permission")?);
        Ok(Self {
            id: row.text("id")?,
            resource_type: row.text("resource_type")?,
            resource_id: row.text("resource_id")?,
            principal_type: Principal::parse(&principal)
                .ok_or_else(|| corrupt("access_grants.principal_type", &principal))?,
            principal_id: row.text("principal_id")?,
            permission: Permission::parse(&permission)
                .ok_or_else(|| corrupt("access_grants.permission", &permission))?,
            created_at: row.int("created_at")?,
        })
    }
}

fn corrupt(column: &'static str, value: &str) -> StorageError {
    StorageError::CorruptRow { column, reason: format!("{value:?} is not known") }
}

/// Who may use what.
#[derive(Debug, Clone)]
pub struct AccessGrants {
    database: Database,
}

impl AccessGrants {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// The grants of one resource.
    pub async fn list(&self, resource_type: ResourceType, resource_id: &str) -> Result<Vec<Grant>> {
        self.database
            .read(select_grants(resource_type, resource_id))
            .await?
            .iter()
            .map(Grant::from_row)
            .collect()
    }

    /// The grants of all resources of a type by resource; at most 50,000.
    pub async fn list_all(&self, resource_type: ResourceType) -> Result<HashMap<String, Vec<Grant>>> {
        let statement = Statement::new(format!(
            "SELECT {COLUMNS} FROM access_grants WHERE resource_type = $1 ORDER BY resource_id, created_at, id LIMIT $2"
        ))
        .bind(resource_type.as_str())
        .bind(MAX_GRANTS_OF_TYPE);
        by_resource(&self.database.read(statement).await?)
    }

    /// The grants of these resources by resource; at most 50,000.
    pub async fn list_of(
        &self,
        resource_type: ResourceType,
        resource_ids: &[String],
    ) -> Result<HashMap<String, Vec<Grant>>> {
        let statement = Statement::new(format!(
            "SELECT {COLUMNS} FROM access_grants WHERE resource_type = $1 AND resource_id IN {} \
             ORDER BY resource_id, created_at, principal_type, principal_id, permission LIMIT $3",
            self.database.dialect().unfold("$2")
        ))
        .bind(resource_type.as_str())
        .bind_list(resource_ids)
        .bind(MAX_GRANTS_OF_TYPE);
        by_resource(&self.database.read(statement).await?)
    }

    /// Gives a resource exactly these grants; those that are there already keep their ids.
    ///
    /// Errors: [`StorageError::TooLarge`] for more than 1,000.
    pub async fn replace(
        &self,
        resource_type: ResourceType,
        resource_id: &str,
        grants: &[NewGrant],
    ) -> Result<Vec<Grant>> {
        let mut transaction = self.database.begin().await?;
        let grants = replace_grants(&mut transaction, resource_type, resource_id, grants).await?;
        transaction.commit().await?;
        Ok(grants)
    }

    /// Whether a user, by himself, by one of his groups or as everybody, has this permission.
    ///
    /// Owners and administrators are not looked at here.
    pub async fn has_access(
        &self,
        user_id: &str,
        group_ids: &[String],
        resource_type: ResourceType,
        resource_id: &str,
        permission: Permission,
    ) -> Result<bool> {
        let condition = readable_condition(self.database.dialect(), "$5");
        let statement = Statement::new(format!("SELECT {condition} AS granted"))
            .bind(resource_type.as_str())
            .bind(user_id)
            .bind_list(group_ids)
            .bind(permission.as_str())
            .bind(resource_id);
        self.database.read_one(statement).await?.map_or(Ok(false), |row| row.boolean("granted"))
    }

    /// Which of these resources the user has this permission for. One query.
    pub async fn accessible(
        &self,
        user_id: &str,
        group_ids: &[String],
        resource_type: ResourceType,
        resource_ids: &[String],
        permission: Permission,
    ) -> Result<BTreeSet<String>> {
        let dialect = self.database.dialect();
        let statement = Statement::new(format!(
            "SELECT DISTINCT resource_id FROM access_grants WHERE resource_type = $1 AND resource_id IN {} AND {}",
            dialect.unfold("$5"),
            granted_to(dialect)
        ))
        .bind(resource_type.as_str())
        .bind(user_id)
        .bind_list(group_ids)
        .bind(permission.as_str())
        .bind_list(resource_ids);
        self.database.read(statement).await?.iter().map(|row| row.text("resource_id")).collect()
    }
}

fn by_resource(rows: &[Row]) -> Result<HashMap<String, Vec<Grant>>> {
    let mut grants: HashMap<String, Vec<Grant>> = HashMap::new();
    for row in rows {
        let grant = Grant::from_row(row)?;
        grants.entry(grant.resource_id.clone()).or_default().push(grant);
    }
    Ok(grants)
}

fn select_grants(resource_type: ResourceType, resource_id: &str) -> Statement {
    Statement::new(format!(
        "SELECT {COLUMNS} FROM access_grants WHERE resource_type = $1 AND resource_id = $2 \
         ORDER BY created_at, principal_type, principal_id, permission LIMIT {MAX_GRANTS}"
    ))
    .bind(resource_type.as_str())
    .bind(resource_id)
}

/// A test whether a grant is for the user `$2` or one of the groups `$3` and permits `$4`.
fn granted_to(dialect: Dialect) -> String {
    format!(
        "((principal_type = 'user' AND principal_id IN ($2, '{EVERYBODY}')) \
         OR (principal_type = 'group' AND principal_id IN {groups})) \
         AND (permission = $4 OR permission = 'write')",
        groups = dialect.unfold("$3")
    )
}

/// A test whether the resource of type `$1` with the id `resource` is granted.
pub(crate) fn readable_condition(dialect: Dialect, resource: &str) -> String {
    format!(
        "EXISTS (SELECT 1 FROM access_grants WHERE resource_type = $1 AND resource_id = {resource} AND {})",
        granted_to(dialect)
    )
}

/// Gives a resource exactly these grants.
pub(crate) async fn replace_grants(
    transaction: &mut Transaction,
    resource_type: ResourceType,
    resource_id: &str,
    wanted: &[NewGrant],
) -> Result<Vec<Grant>> {
    if wanted.len() > MAX_GRANTS {
        return Err(StorageError::TooLarge {
            what: "grants of a resource",
            size: wanted.len(),
            limit: MAX_GRANTS,
        });
    }
    let rows = transaction.all(select_grants(resource_type, resource_id)).await?;
    let stored: Vec<Grant> = rows.iter().map(Grant::from_row).collect::<Result<_>>()?;
    let same = |grant: &Grant, new: &NewGrant| {
        grant.principal_type == new.principal_type
            && grant.principal_id == new.principal_id
            && grant.permission == new.permission
    };
    let gone: Vec<&str> = stored
        .iter()
        .filter(|grant| !wanted.iter().any(|new| same(grant, new)))
        .map(|grant| grant.id.as_str())
        .collect();
    if !gone.is_empty() {
        let list = transaction.dialect().unfold("$1");
        let statement =
            Statement::new(format!("DELETE FROM access_grants WHERE id IN {list}")).bind_list(gone);
        transaction.execute(statement).await?;
    }
    for new in wanted.iter().filter(|new| !stored.iter().any(|grant| same(grant, new))) {
        let statement = Statement::new(format!(
            "INSERT INTO access_grants ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING"
        ))
        .bind(clock::new_id())
        .bind(resource_type.as_str())
        .bind(resource_id)
        .bind(new.principal_type.as_str())
        .bind(&new.principal_id)
        .bind(new.permission.as_str())
        .bind(clock::seconds());
        transaction.execute(statement).await?;
    }
    let rows = transaction.all(select_grants(resource_type, resource_id)).await?;
    rows.iter().map(Grant::from_row).collect()
}
