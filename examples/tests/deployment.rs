//! The files for deployments: well-formed, and true to each other, as far as that shows without a cluster.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use yaml_rust2::{Yaml, YamlLoader};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// All documents of all manifests, each with the name of its file.
fn manifests() -> Vec<(String, Yaml)> {
    let mut all = Vec::new();
    for file in fs::read_dir(folder("kubernetes")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "yaml") {
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let documents = YamlLoader::load_from_str(&fs::read_to_string(&path).unwrap());
        let documents = documents.unwrap_or_else(|error| panic!("{name}: {error}"));
        all.extend(documents.into_iter().map(|document| (name.clone(), document)));
    }
    assert_eq!(all.len(), 5);
    all
}

fn text<'y>(yaml: &'y Yaml, path: &[&str]) -> &'y str {
    let found = path.iter().fold(yaml, |at, key| &at[*key]);
    found.as_str().unwrap_or_else(|| panic!("{path:?} is no text in {yaml:?}"))
}

/// The pods that the manifests make.
fn pods() -> Vec<(String, Yaml)> {
    let templates = manifests().into_iter().map(|(name, document)| (name, document["spec"]["template"].clone()));
    templates.filter(|(_, template)| !template.is_badvalue()).collect()
}

fn containers(pod: &Yaml) -> Vec<&Yaml> {
    let lists = [&pod["spec"]["initContainers"], &pod["spec"]["containers"]];
    lists.into_iter().filter_map(Yaml::as_vec).flatten().collect()
}

#[test]
fn each_manifest_is_an_object_of_a_known_kind() {
    let kinds = [("v1", "Secret"), ("v1", "ServiceAccount"), ("batch/v1", "Job"), ("apps/v1", "Deployment")];
    for (name, document) in manifests() {
        let kind = (text(&document, &["apiVersion"]), text(&document, &["kind"]));
        assert!(kinds.contains(&kind), "{name}: {kind:?}");
        assert!(text(&document, &["metadata", "name"]).starts_with("shop"), "{name}");
        let (selector, labels) =
            (&document["spec"]["selector"]["matchLabels"], &document["spec"]["template"]["metadata"]["labels"]);
        assert!(selector.is_badvalue() || selector == labels, "{name}: the pods are not those that it selects");
    }
}

#[test]
fn what_pods_refer_to_is_there() {
    let all = manifests();
    let secret = all.iter().find(|(_, document)| document["kind"].as_str() == Some("Secret")).unwrap();
    let mut migrating = 0;
    for (name, pod) in pods() {
        assert_eq!(text(&pod, &["spec", "serviceAccountName"]), "shop", "{name}");
        assert_eq!(pod["spec"]["automountServiceAccountToken"].as_bool(), Some(false), "{name}");
        for container in containers(&pod) {
            let migrates = container["args"].as_vec().is_some();
            migrating += usize::from(migrates);
            let variables = container["env"].as_vec().unwrap();
            let variable = |name: &str| variables.iter().find(|variable| text(variable, &["name"]) == name);
            let url = &variable("DATABASE_URL").unwrap()["valueFrom"]["secretKeyRef"];
            assert_eq!(text(url, &["name"]), text(&secret.1, &["metadata", "name"]));
            assert_eq!(text(url, &["key"]), if migrates { "migrate-url" } else { "serve-url" }, "{name}");
            assert!(text(&secret.1["stringData"], &[text(url, &["key"])]).starts_with("postgres://"));
            // A bare `true` would be no text, which Kubernetes refuses.
            let values = variables.iter().filter(|variable| variable["valueFrom"].is_badvalue());
            assert!(values.clone().all(|variable| variable["value"].as_str().is_some()), "{name}");
            if migrates {
                let words: Vec<&str> = container["args"].as_vec().unwrap().iter().filter_map(Yaml::as_str).collect();
                assert_eq!(words, ["migrate", "up"]);
            } else {
                assert_eq!(text(variable("SHOP_AUTO_MIGRATE").unwrap(), &["value"]), "false", "{name}");
                for probe in ["startupProbe", "readinessProbe"] {
                    assert_eq!(text(&container[probe], &["httpGet", "path"]), "/health", "{name}");
                    assert_eq!(text(&container[probe], &["httpGet", "port"]), text(&container["ports"][0], &["name"]));
                }
                assert!(container["livenessProbe"].is_badvalue(), "a database that is down is no reason to kill");
            }
        }
    }
    assert_eq!(migrating, 2);
}

#[test]
fn nothing_runs_as_root_or_may_become_it() {
    for (name, pod) in pods() {
        assert_eq!(pod["spec"]["securityContext"]["runAsNonRoot"].as_bool(), Some(true), "{name}");
        for container in containers(&pod) {
            let context = &container["securityContext"];
            assert_eq!(context["allowPrivilegeEscalation"].as_bool(), Some(false), "{name}");
            assert_eq!(context["readOnlyRootFilesystem"].as_bool(), Some(true), "{name}");
            assert_eq!(context["capabilities"]["drop"][0].as_str(), Some("ALL"), "{name}");
        }
    }
}

#[test]
fn the_job_tries_again_what_a_second_try_may_mend() {
    let all = manifests();
    let (_, job) = all.iter().find(|(_, document)| document["kind"].as_str() == Some("Job")).unwrap();
    assert_eq!(text(job, &["metadata", "annotations", "argocd.argoproj.io/hook"]), "PreSync");
    assert_eq!(text(job, &["metadata", "annotations", "helm.sh/hook"]), "pre-install,pre-upgrade");
    let rules = job["spec"]["podFailurePolicy"]["rules"].as_vec().unwrap();
    let codes: Vec<i64> = rules[0]["onExitCodes"]["values"].as_vec().unwrap().iter().filter_map(Yaml::as_i64).collect();
    // Not 5 (busy), 7 (unreachable) and 130 (stopped).
    assert_eq!((text(&rules[0], &["action"]), &codes[..]), ("FailJob", &[1, 2, 3, 4, 6, 8][..]));
    // Only then may a job have such a policy.
    assert_eq!(text(job, &["spec", "template", "spec", "restartPolicy"]), "Never");
}

#[test]
fn the_units_are_such_as_systemd_takes() {
    for (name, needed) in [
        ("shop-migrate.service", ["Type=oneshot", "RemainAfterExit=yes", "LoadCredential=database-url:"]),
        (
            "shop.service",
            ["Requires=shop-migrate.service", "After=shop-migrate.service", "LoadCredential=database-url:"],
        ),
    ] {
        let text = fs::read_to_string(folder("systemd").join(name)).unwrap();
        for line in needed {
            assert!(text.lines().any(|known| known.starts_with(line)), "{name} has no {line}");
        }
        let sections: Vec<&str> = text.lines().filter(|line| line.starts_with('[')).collect();
        assert_eq!(sections, ["[Unit]", "[Service]", "[Install]"]);
        let is_setting = |line: &str| line.is_empty() || line.starts_with(['#', '[']) || line.contains('=');
        assert!(text.lines().all(is_setting), "{name}");
    }
    let units = ["shop-migrate.service", "shop.service"].map(|name| folder("systemd").join(name));
    match Command::new("systemd-analyze").arg("verify").args(&units).output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let ours: Vec<&str> = said.lines().filter(|line| line.contains("shop")).collect();
            assert!(ours.is_empty(), "{ours:#?}");
        }
        Err(_) => eprintln!("skipped: systemd-analyze is not here to read the units"),
    }
}

#[test]
fn the_image_holds_one_program_that_is_not_root() {
    let text = fs::read_to_string(folder("docker/Dockerfile")).unwrap();
    let text = text.replace("\\\n", " ");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let steps: Vec<(&str, &str)> = lines.map(|line| line.split_once(' ').unwrap()).collect();
    let known = ["FROM", "RUN", "WORKDIR", "COPY", "ARG", "USER", "ENTRYPOINT"];
    assert!(steps.iter().all(|(step, _)| known.contains(step)), "{steps:#?}");
    let last = steps.iter().rposition(|(step, _)| *step == "FROM").unwrap();
    assert_eq!(steps[last].1, "scratch");
    let rest = &steps[last + 1..];
    assert!(rest.iter().all(|(step, _)| *step != "RUN"), "there is no shell in it");
    assert!(rest.contains(&("USER", "65532:65532")) && rest.contains(&("ENTRYPOINT", "[\"/app\"]")), "{rest:#?}");
}
