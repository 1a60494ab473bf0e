//! The advisory database in force, the same bytes for every worker.
//!
//! In: a database that this worker has and wants in force, or the number of one that another worker put in force.
//! Out: its file in the blob store, and in force in the store; or taken from there, held against its digest and what it is to say.
//! On SQLite all processes share the data folder, and the file in it.

use crate::{Error, Knowledge, database};
use advisory::Database;
use store::{OfferedDatabase, Store};

/// Puts a database in force under a number, so that every worker can have it.
pub(crate) async fn offer(store: &Store, knowledge: &Knowledge, db: &Database, generation: i64) -> Result<(), Error> {
    let path = knowledge.folder().path(db.generation());
    let mut file = None;
    if store.shares_databases() && path.is_file() {
        let checked = path.clone();
        let check = tokio::task::spawn_blocking(move || {
            let damaged = |source| database::Error::Open { path: checked.clone(), source };
            database::open(&checked)?.verify().map_err(damaged)
        });
        check.await.map_err(|_| Error::Defect)??;
        file = Some(store.put_database(&path).await?);
    }
    let file = file.as_ref().map(|(digest, bytes)| (digest, *bytes));
    let offered = OfferedDatabase { generation, content_hash: db.content_hash(), built: db.built(), file };
    match store.adopt_database(&offered).await {
        // Another worker was faster: its database is taken over.
        Ok(_) | Err(store::Error::StaleGeneration { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    if file.is_some() {
        store.trim_databases().await?;
    }
    Ok(())
}

/// Takes over the database that is in force, if its file is in the blob store. Returns whether this process has it now.
pub(crate) async fn take_over(store: &Store, knowledge: &Knowledge, generation: i64) -> Result<bool, Error> {
    let Some(known) = store.known_database(generation).await? else { return Ok(false) };
    let Some((digest, bytes)) = known.file.filter(|_| store.shares_databases()) else { return Ok(false) };
    let _one = knowledge.arriving().await;
    let held = knowledge.current();
    if held.content_hash() == known.content_hash {
        return Ok(true);
    }
    let folder = knowledge.folder().clone();
    // Another process that shares the folder is taking it over: it will be found there.
    let Some(arrival) = folder.arrival()? else { return Ok(false) };
    let named = folder.current()?.unwrap_or(0);
    store.get_database(&digest, bytes, &arrival.path).await?;
    let content_hash = known.content_hash.clone();
    let taken = tokio::task::spawn_blocking(move || folder.take(&arrival, &content_hash, named)).await;
    let Some(database) = taken.map_err(|_| Error::Defect)?? else { return Ok(false) };
    tracing::info!(generation, "the advisory database in force was taken over from another worker");
    Ok(knowledge.put(database, held.content_hash()))
}
