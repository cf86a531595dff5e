//! Names of statuses.

pub(crate) use kmdf_host::{Status, UnknownStatus};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_status_of_the_bindings_is_left_out() {
        let facts: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../../kmdf-sys-gen/abi/status.json")).unwrap();
        let facts: Vec<_> = facts
            .iter()
            .map(|fact| {
                (
                    fact["name"].as_str().unwrap(),
                    fact["value"].as_i64().unwrap(),
                )
            })
            .filter(|(name, _)| name.starts_with("STATUS_"))
            .collect();
        assert!(facts.len() > 100);
        for (name, value) in facts {
            let status: Status = name.parse().unwrap();
            assert_eq!(i64::from(status.0), value, "{name}");
        }
    }
}
