//! A repository is renamed, or moved to another registry.
//!
//! In: what somebody wants. Out: its row with another place; its blobs under the new name; the paths of what hangs on it; what follows for
//! images; a line of the audit; in one transaction.
//! Its row and its key stay, and so do its images, tags, history and the ids of its findings. Who pulls by the old name finds no
//! repository. Its blobs can be had under the old name as well: a push that is under way there has been told that they are here.

use crate::coverage::{Which, settle};
use crate::engine::{Value, values};
use crate::plans::{meter_judged, off_since};
use crate::scope::{Registry, registry_by};
use crate::tree::respell;
use crate::write::{What, Write};
use crate::{Audit, Caller, Error, Result, Store};
use model::Micros;
use model::facts::Id;
use model::reference::check_repository;
use model::role::Scope;
use serde_json::json;

/// What becomes of a repository; `None` = as it was.
#[derive(Debug, Clone, Default)]
pub struct RepositoryChange {
    /// Name.
    pub name: Option<String>,
    /// Row id of its registry.
    pub registry: Option<Id>,
}

impl Store {
    /// Changes a repository that has images: its name, its registry. What was granted or ruled for it stays its own. Returns its scope.
    /// `Conflict`: the place is taken.
    pub async fn change_repository(
        &self,
        registry: Id,
        name: &str,
        change: &RepositoryChange,
        by: &Caller,
    ) -> Result<Scope> {
        let mut write = self.write_over_jobs().await?;
        let from = registry_by(&mut write.tx, registry).await?;
        let absent = || Error::NotFound { what: "repository", name: name.to_owned() };
        let (id, images) = found(&mut write, registry, name).await?.ok_or_else(absent)?;
        if images == 0 {
            return Err(absent());
        }
        let to = match change.registry {
            Some(id) => registry_by(&mut write.tx, id).await?,
            None => from.clone(),
        };
        let wanted = change.name.as_deref().unwrap_or(name);
        let (before, after) = (place(&from, name), place(&to, wanted));
        if before == after {
            return Ok(after);
        }
        check_repository(wanted).map_err(|why| Error::invalid("name", &why.to_string()))?;
        make_room(&mut write, &to, wanted).await?;
        let sql = "UPDATE repository SET registry = $2, name = $3 WHERE id = $1";
        write.run(sql, values![id, to.id, wanted]).await?;
        let sql = "INSERT INTO blob_link (registry, repository, digest) SELECT $1, $2, digest FROM blob_link WHERE registry = $3 AND repository = $4 ON CONFLICT DO NOTHING";
        write.run(sql, values![to.id, wanted, registry, name]).await?;
        write.changed(What::Repository, id);
        // Who was to see to a place that is empty has nothing to see to: the row of the one that comes takes its place.
        write.run("DELETE FROM assignment WHERE scope = $1", values![after.to_path()]).await?;
        respell(&mut write, &before, &after).await?;
        if to.id != registry {
            carry(&mut write, id, &from).await?;
            write.run("UPDATE job SET registry = $2 WHERE kind = 1 AND repository = $1", values![id, to.id]).await?;
            let now = write.now;
            settle(&mut write, Which::Registries(&[to.id]), now).await?;
            meter_judged(&mut write, &[to.id]).await?;
        }
        let said = |registry: &Registry, name: &str| json!({"registry": registry.name, "name": name});
        let (was, is) = (said(&from, name), said(&to, wanted));
        // Who audits the registry that it leaves is told as well.
        let told = if to.id == registry { vec![&after] } else { vec![&before, &after] };
        for scope in told {
            let (before, after) = (was.clone(), is.clone());
            let line = Audit { by, action: "repository.update", object: wanted, scope, before, after };
            write.audit(&line).await?;
        }
        write.commit().await?;
        Ok(after)
    }
}

/// Keeps as of which moment a repository is seen that leaves a registry: now, or, where the plan is off, as of when it was.
async fn carry(write: &mut Write<'_>, repository: Id, from: &Registry) -> Result<()> {
    let seen = match off_since(write, from).await? {
        Some(since) => Value::from(since),
        None => Value::from(write.now),
    };
    // One that came to where the plan was off already was seen as it came.
    let sql = "UPDATE repository SET seen = CASE WHEN moved > $2 THEN seen ELSE $2 END, moved = $3 WHERE id = $1";
    write.run(sql, &[repository.into(), seen, write.now.into()]).await?;
    Ok(())
}

fn place(registry: &Registry, name: &str) -> Scope {
    Scope { repository: Some(name.to_owned()), ..registry.scope() }
}

/// Finds a repository, and how many images it has.
async fn found(write: &mut Write<'_>, registry: Id, name: &str) -> Result<Option<(Id, i64)>> {
    let sql = "SELECT r.id, (SELECT COUNT(*) FROM repository_image p WHERE p.repository = r.id AND p.until = $3) FROM repository r WHERE r.registry = $1 AND r.name = $2";
    let row = write.one(sql, values![registry, name, Micros::FOREVER]).await?;
    row.map(|row| Ok((row.int(0)?, row.int(1)?))).transpose()
}

/// Makes a name free: one whose images are all deleted keeps its past under another one, that nobody can push to.
async fn make_room(write: &mut Write<'_>, registry: &Registry, name: &str) -> Result<()> {
    let Some((id, images)) = found(write, registry.id, name).await? else { return Ok(()) };
    if images > 0 {
        let why = format!("registry {} has a repository {name} already; delete its images first", registry.name);
        return Err(Error::Conflict(why));
    }
    write.run("UPDATE repository SET name = name || '~' || id WHERE id = $1", values![id]).await?;
    write.changed(What::Repository, id);
    // What was granted or ruled for it is not meant for the one that comes.
    respell(write, &place(registry, name), &place(registry, &format!("{name}~{id}"))).await
}
