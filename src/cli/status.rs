//! `status`: is the cluster well, in one screen and one exit code.

use clap::Args;
use serde_json::{Value, json};

use super::print::{Kind, cell};
use super::{Context, Failure};
use crate::client::{Client, ClientError, Request};
use crate::signing::quantity;

#[derive(Debug, Args)]
pub(super) struct Status {}

/// A follower that is behind by more records than this is named: some hundred are under way at any time under load.
const BEHIND: u64 = 10_000;

impl Status {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client.connect()?;
        let cluster = cluster(&client).await?;
        let stacks = match client.send(Request::get(["stacks"]).query("all", true).query("consistency", "stale")).await
        {
            Ok(reply) => reply.json()?["items"].clone(),
            // the rest of the page is worth showing without it
            Err(ClientError::Refused { .. }) => Value::Null,
            Err(error) => return Err(error.into()),
        };
        let notices = match client.send(Request::get(["whoami"]).query("consistency", "stale")).await {
            Ok(reply) => reply.json()?["notices"].clone(),
            Err(ClientError::Refused { .. }) => Value::Null,
            Err(error) => return Err(error.into()),
        };
        let troubles = troubles(&cluster);
        let healthy = troubles.is_empty();
        let status = json!({
            "healthy": healthy, "troubles": troubles, "cluster": cluster, "stacks": stacks, "notices": notices,
        });
        context.out.either(&status, || words(&status))?;
        match troubles.first() {
            None => Ok(()),
            Some(trouble) => Err(Failure::unhealthy(trouble.clone()).hint("see quartermaster cluster status")),
        }
    }
}

/// The cluster as a node that answers knows it: fresh if there is a quorum, else what that node has.
pub(super) async fn cluster(client: &Client) -> Result<Value, Failure> {
    match client.send(Request::get(["cluster"]).query("consistency", "stale")).await {
        Ok(reply) => Ok(reply.json()?),
        Err(error) => Err(error.into()),
    }
}

/// What is wrong with a cluster, worst first.
pub(super) fn troubles(cluster: &Value) -> Vec<String> {
    let mut troubles = Vec::new();
    let members = cluster["members"].as_array().map(Vec::as_slice).unwrap_or_default();
    if cluster["leader"].is_null() {
        troubles.push("no leader is known: the cluster has no quorum, or an election is under way".to_owned());
    }
    let applied = members.iter().filter_map(|member| member["applied_seq"].as_u64()).max().unwrap_or_default();
    for member in members {
        let name = member["name"].as_str().unwrap_or("?");
        match member["applied_seq"].as_u64() {
            None => troubles.push(format!("node {name} was not heard of")),
            Some(seq) if applied - seq > BEHIND => {
                troubles.push(format!("node {name} is behind by {} records", applied - seq));
            }
            Some(_) => {}
        }
    }
    troubles
}

fn words(status: &Value) -> String {
    let cluster = &status["cluster"];
    let members = cluster["members"].as_array().map(Vec::as_slice).unwrap_or_default();
    let voters = members.iter().filter(|member| member["role"] != "learner").count();
    let up = members.iter().filter(|member| member["role"] != "learner" && !member["applied_seq"].is_null()).count();
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let leader = members.iter().find(|member| member["id"] == cluster["leader"]);
    let mut lines = vec![
        ("Cluster", format!("{} ({})", text(&cluster["name"]), text(&cluster["cluster_id"]))),
        ("Healthy", if status["healthy"] == true { "yes".to_owned() } else { "no".to_owned() }),
        (
            "Leader",
            leader.map_or_else(
                || "none".to_owned(),
                |leader| format!("{} (node {})", text(&leader["name"]), leader["id"]),
            ),
        ),
        ("Term", cluster["term"].to_string()),
        ("Voters", format!("{up} of {voters} up, can lose {}", up.saturating_sub(voters / 2 + 1))),
        ("Applied", cluster["applied_seq"].to_string()),
        ("Digest", text(&cluster["digest"])),
        ("Day", format!("{}, ends {}", text(&cluster["day"]), text(&cluster["day_ends"]))),
        ("Active group", text(&cluster["active_group"])),
    ];
    for stack in status["stacks"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let (used, quota) = (stack["used_bytes"].as_u64().unwrap_or(0), stack["quota_bytes"].as_u64().unwrap_or(0));
        let percent = used.checked_div((quota / 100).max(1)).unwrap_or(0);
        let line = format!("{} of {} today ({percent} %)", quantity::human(used), quantity::human(quota));
        lines.push(("Stack", format!("{}: {line}", text(&stack["id"]))));
    }
    for notice in status["notices"].as_array().map(Vec::as_slice).unwrap_or_default() {
        lines.push(("Notice", cell(Some(notice), Kind::Plain)));
    }
    for trouble in status["troubles"].as_array().map(Vec::as_slice).unwrap_or_default() {
        lines.push(("Trouble", text(trouble)));
    }
    lines.into_iter().map(|(head, line)| format!("{head:12}  {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_cluster_is_said() {
        let well = json!({"leader": 1, "term": 3, "applied_seq": 20, "members": [
            {"id": 1, "name": "n1", "role": "leader", "applied_seq": 20},
            {"id": 2, "name": "n2", "role": "follower", "applied_seq": 19}]});
        assert!(troubles(&well).is_empty());
        let ill = json!({"leader": null, "members": [
            {"id": 1, "name": "n1", "role": "follower", "applied_seq": 50_000},
            {"id": 2, "name": "n2", "role": "follower", "applied_seq": 1},
            {"id": 3, "name": "n3", "role": "follower", "applied_seq": null}]});
        let troubles = troubles(&ill);
        assert_eq!(troubles.len(), 3);
        assert!(
            troubles[0].starts_with("no leader") && troubles[1].contains("n2 is behind") && troubles[2].contains("n3")
        );
        let text = words(&json!({"healthy": true, "troubles": [], "cluster": well, "stacks": null}));
        assert!(text.contains("n1 (node 1)") && text.contains("2 of 2 up, can lose 0"), "{text}");
    }
}
