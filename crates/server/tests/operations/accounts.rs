//! The settings of an account.

use rheos_testkit::{Home, TestServer};
use serde_json::json;

#[tokio::test]
async fn an_accounts_commitment_begins_ends_late_and_outlasts_a_restart() {
    let home = Home::memory();
    let server = TestServer::start_with(home.clone(), |_| {}).await;
    let none = server.ok("DescribeAccountSettings", &json!({})).await;
    assert_eq!(none, json!({"MinimumThroughputBillingCommitment": {"Status": "DISABLED"}}));
    let set = |status: &str| json!({"MinimumThroughputBillingCommitment": {"Status": status}});
    let enabled = server.ok("UpdateAccountSettings", &set("ENABLED")).await;
    let enabled = &enabled["MinimumThroughputBillingCommitment"];
    assert_eq!((&enabled["Status"], enabled.get("EndedAt")), (&json!("ENABLED"), None));
    let started = enabled["StartedAt"].as_f64().unwrap();
    let day_s = 24.0 * 3600.0;
    assert!((enabled["EarliestAllowedEndAt"].as_f64().unwrap() - started - day_s).abs() < 0.01);
    let ending = server.ok("UpdateAccountSettings", &set("DISABLED")).await;
    assert_eq!(ending["MinimumThroughputBillingCommitment"]["Status"], "ENABLED_UNTIL_EARLIEST_ALLOWED_END");
    server.stop().await;

    let server = TestServer::start_with(home, |_| {}).await;
    assert_eq!(server.ok("DescribeAccountSettings", &json!({})).await, ending);
    server.clock.advance(24 * 3_600_000);
    let ended = server.ok("DescribeAccountSettings", &json!({})).await;
    let ended = &ended["MinimumThroughputBillingCommitment"];
    assert_eq!((&ended["Status"], ended.get("EarliestAllowedEndAt")), (&json!("DISABLED"), None));
    assert!((ended["EndedAt"].as_f64().unwrap() - started - day_s).abs() < 0.01);
    server.stop().await;
}
