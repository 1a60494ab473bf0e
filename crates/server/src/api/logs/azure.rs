//! Lines of the resource logs with exactly the columns of the Azure tables, so that queries and dashboards made for these go on working.
//!
//! Source: Azure Monitor reference, tables ContainerRegistryLoginEvents and ContainerRegistryRepositoryEvents. What we have no like of
//! (region, tenants, billing) is there and empty, zero or false.

use serde::Serialize;
use store::LogRow;
use utoipa::ToSchema;

/// What both tables have.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct Columns {
    time_generated: String,
    operation_name: String,
    login_server: String,
    identity: String,
    caller_ip_address: String,
    user_agent: String,
    correlation_id: String,
    result_type: &'static str,
    result_description: String,
    duration_ms: String,
    region: &'static str,
    category: &'static str,
    r#type: &'static str,
    source_system: &'static str,
    tenant_id: &'static str,
    #[serde(rename = "_ResourceId")]
    resource_id: String,
    #[serde(rename = "_SubscriptionId")]
    subscription_id: String,
    #[serde(rename = "_BilledSize")]
    billed_size: f64,
    #[serde(rename = "_IsBillable")]
    is_billable: &'static str,
}

/// A row of ContainerRegistryLoginEvents.
#[derive(Debug, Serialize, ToSchema)]
pub struct Login {
    #[serde(flatten)]
    columns: Columns,
    #[serde(rename = "JwtId")]
    jwt_id: String,
}

/// A row of ContainerRegistryRepositoryEvents.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct Repository {
    #[serde(flatten)]
    columns: Columns,
    repository: String,
    tag: String,
    digest: String,
    media_type: String,
    artifact_type: String,
    size: i64,
    user_tenant_id: &'static str,
}

fn columns(row: &LogRow, server: &str) -> Columns {
    let entry = &row.entry;
    let table = if entry.login { "ContainerRegistryLoginEvents" } else { "ContainerRegistryRepositoryEvents" };
    let host = &entry.caller.host;
    let path = format!(
        "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.ContainerRegistry/registries/{}",
        row.subscription, row.resource_group, row.registry
    );
    Columns {
        time_generated: entry.at.rfc3339(),
        operation_name: entry.operation.clone(),
        login_server: if host.is_empty() { server.to_owned() } else { host.clone() },
        identity: entry.caller.actor.clone(),
        caller_ip_address: entry.caller.address.clone(),
        user_agent: entry.caller.user_agent.clone(),
        correlation_id: entry.caller.request.clone(),
        result_type: "HttpStatusCode",
        result_description: entry.result.to_string(),
        duration_ms: format!("{}.{:03}", entry.micros / 1_000, entry.micros % 1_000),
        region: "",
        category: table,
        r#type: table,
        source_system: "Portwarden",
        tenant_id: "",
        resource_id: if row.registry.is_empty() { String::new() } else { path },
        subscription_id: row.subscription.clone(),
        billed_size: 0.0,
        is_billable: "false",
    }
}

/// Writes a line as a row of ContainerRegistryLoginEvents. `server`: the host where a line names none.
pub fn login(row: &LogRow, server: &str) -> Login {
    Login { columns: columns(row, server), jwt_id: row.entry.jwt.clone() }
}

/// Writes a line as a row of ContainerRegistryRepositoryEvents.
pub fn repository(row: &LogRow, server: &str) -> Repository {
    let entry = row.entry.clone();
    Repository {
        columns: columns(row, server),
        repository: entry.repository,
        tag: entry.tag,
        digest: entry.digest,
        media_type: entry.media_type,
        artifact_type: entry.artifact_type,
        size: entry.bytes,
        user_tenant_id: "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use store::LogEntry;

    #[test]
    fn rows_have_the_columns_of_the_tables_and_no_others() {
        let common = "TimeGenerated OperationName LoginServer Identity CallerIpAddress UserAgent CorrelationId ResultType \
            ResultDescription DurationMs Region Category Type SourceSystem TenantId _ResourceId _SubscriptionId _BilledSize _IsBillable";
        let row = LogRow {
            entry: LogEntry { micros: 12_345, result: 403, ..LogEntry::default() },
            subscription: "s".into(),
            resource_group: "g".into(),
            registry: "r".into(),
        };
        let login = serde_json::to_value(login(&row, "host")).unwrap();
        let repository = serde_json::to_value(repository(&row, "host")).unwrap();
        for (row, more) in
            [(&login, "JwtId"), (&repository, "Repository Tag Digest MediaType ArtifactType Size UserTenantId")]
        {
            let names: BTreeSet<&str> = row.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(names, common.split_whitespace().chain(more.split(' ')).collect());
            assert_eq!((&row["DurationMs"], &row["ResultDescription"]), (&"12.345".into(), &"403".into()));
            let id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/r";
            assert_eq!((&row["_ResourceId"], &row["LoginServer"]), (&id.into(), &"host".into()));
        }
    }
}
