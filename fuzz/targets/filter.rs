//! The filter language, orders and cursors, on an index with nothing in it.
#![no_main]

use fleet::{Cursor, Filter, Index, Query, Sort};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [filter, sort, after] = fuzz::texts::<3>(data);
    let mut query = Query { limit: 10, after: Some(Cursor::parse(&after)), ..Query::default() };
    query.sort = Sort::parse(&sort).unwrap_or_default();
    let mut field = Filter::default();
    let (name, value) = filter.split_once(':').unwrap_or_default();
    let _ = field.field(name, value);
    let Ok(filter) = Filter::parse(&filter) else { return };
    query.filter = filter;
    let index = Index::build(&model::facts::Snapshot::default());
    for after in [query.after.clone(), None] {
        query.after = after;
        let _ = (index.findings(&query), index.images(&query), index.packages(&query), index.counts(&query));
        let _ = (index.repositories(&query), index.vulnerabilities(&query));
    }
});
