use super::*;
use serde_json::json;

fn digest(c: char) -> String {
    format!("sha256:{}", c.to_string().repeat(64))
}

fn descriptor(media_type: &str) -> Value {
    json!({"mediaType": media_type, "digest": digest('a'), "size": 7})
}

fn image() -> Value {
    json!({
        "schemaVersion": 2, "mediaType": OCI_IMAGE,
        "config": descriptor("application/vnd.oci.image.config.v1+json"),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar+gzip")],
    })
}

fn with(mut base: Value, key: &str, value: Value) -> Value {
    base[key] = value;
    base
}

fn parse(value: &Value, declared: Option<&str>) -> Result<Manifest, NotAManifest> {
    Manifest::parse(value.to_string().as_bytes(), declared)
}

#[test]
fn manifests_of_both_families_are_read_with_and_without_media_type() {
    let index = json!({"schemaVersion": 2, "manifests": [descriptor(OCI_IMAGE)]});
    let mut bare = image();
    bare.as_object_mut().unwrap().remove("mediaType");
    for (value, declared, want, why) in [
        (image(), Some(OCI_IMAGE), OCI_IMAGE, "said twice"),
        (image(), Some("application/vnd.oci.image.manifest.v1+json; charset=utf-8"), OCI_IMAGE, "a parameter"),
        (image(), Some("application/json"), OCI_IMAGE, "general type without"),
        (image(), None, OCI_IMAGE, "said inside only"),
        (bare.clone(), Some(DOCKER_IMAGE), DOCKER_IMAGE, "said outside only"),
        (bare, None, OCI_IMAGE, "by its content"),
        (index.clone(), None, OCI_INDEX, "an index by its content"),
        (index, Some(DOCKER_LIST), DOCKER_LIST, "a Docker list"),
        (with(image(), "layers", Value::Null), None, OCI_IMAGE, "null layers"),
        (with(image(), "manifests", Value::Null), None, OCI_IMAGE, "null manifests"),
        (with(image(), "annotations", json!({"Layers": "x", "layers": "y"})), None, OCI_IMAGE, "free keys"),
        (with(image(), "futureField", json!([1, {"a": 2}])), None, OCI_IMAGE, "fields we do not know"),
    ] {
        let got = parse(&value, declared);
        assert_eq!(got.as_ref().map(|m| m.media_type), Ok(want), "{why}");
    }
}

#[test]
fn what_two_clients_could_read_differently_is_refused() {
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor(OCI_IMAGE)]});
    let sized = |size: Value| with(image(), "layers", json!([{"digest": digest('a'), "size": size}]));
    let digested = |d: &str| with(image(), "config", json!({"digest": d, "size": 1}));
    let many = |key: &str, base: Value, n: usize| with(base, key, Value::Array(vec![descriptor("x"); n]));
    for (value, declared, want) in [
        (with(image(), "manifests", json!([])), None, "both"),
        (with(index.clone(), "layers", json!([])), None, "both"),
        (with(index.clone(), "config", descriptor("x")), None, "both"),
        (image(), Some(OCI_INDEX), "was sent as"),
        (with(image(), "mediaType", json!(OCI_INDEX)), None, "was sent as"),
        (with(index.clone(), "mediaType", json!(OCI_IMAGE)), None, "was sent as"),
        (with(image(), "mediaType", json!("application/x")), None, "no manifest that is accepted"),
        (with(image(), "mediaType", json!(7)), None, "mediaType is no text"),
        (with(image(), "Layers", json!([])), None, "Layers must be spelt \"layers\""),
        (with(image(), "config", with(descriptor("x"), "Digest", json!("x"))), None, "config.Digest must be spelt"),
        (with(image(), "schemaVersion", json!(1)), None, "schema 1"),
        (with(image(), "schemaVersion", json!(3)), None, "schemaVersion is not 2"),
        (with(image(), "fsLayers", json!([])), None, "schema 1"),
        (image(), Some("application/vnd.docker.distribution.manifest.v1+prettyjws"), "schema 1"),
        (image(), Some("application/vnd.oci.artifact.manifest.v1+json"), "drafts"),
        (with(image(), "config", Value::Null), None, "config is missing"),
        (with(image(), "layers", json!({})), None, "layers is no list"),
        (with(image(), "layers", json!([null])), None, "layers[0] is no object"),
        (sized(json!(-1)), None, "layers[0].size"),
        (sized(json!(9_223_372_036_854_775_808_u64)), None, "layers[0].size"),
        (sized(json!(1.5)), None, "layers[0].size"),
        (sized(json!("7")), None, "layers[0].size"),
        (sized(Value::Null), None, "layers[0].size is missing"),
        (digested("md5:d41d8cd98f00b204e9800998ecf8427e"), None, "config.digest"),
        (digested("sha256:xyz"), None, "config.digest"),
        (digested("../../etc/passwd"), None, "config.digest"),
        (with(image(), "annotations", json!({"a": 1})), None, "annotations.a is no text"),
        (with(image(), "subject", json!("x")), None, "subject is no object"),
        (many("layers", image(), LIMIT_LAYERS + 1), None, "layers has 513 entries"),
        (many("manifests", index.clone(), LIMIT_CHILDREN + 1), None, "manifests has 1025 entries"),
        (json!([]), None, "no object"),
    ] {
        let error = parse(&value, declared).expect_err(want).to_string();
        assert!(error.contains(want), "{want}: {error}");
    }
    assert!(parse(&many("layers", image(), LIMIT_LAYERS), None).is_ok(), "layers at the limit");
    assert!(parse(&many("manifests", index, LIMIT_CHILDREN), None).is_ok(), "children at the limit");
}

#[test]
fn hostile_bytes_end_in_an_error_and_not_in_a_crash() {
    let twice = image().to_string().replacen('{', "{\"layers\":[],", 1);
    let deep = format!("{{\"schemaVersion\":2,\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let mut large = image().to_string();
    large.push_str(&" ".repeat(LIMIT_BYTES - large.len()));
    assert!(Manifest::parse(large.as_bytes(), None).is_ok(), "4 MiB");
    large.push(' ');
    for (text, why) in [(twice, "a key twice"), (deep, "deep"), (large, "a byte over 4 MiB"), (String::new(), "empty")]
    {
        assert!(Manifest::parse(text.as_bytes(), None).is_err(), "{why}");
    }
    let sizes = vec![json!({"digest": digest('a'), "size": i64::MAX}); LIMIT_LAYERS];
    let manifest = parse(&with(image(), "layers", Value::Array(sizes)), None).unwrap();
    assert_eq!(manifest.claimed_bytes(), u64::MAX, "sizes that overflow");
}

#[test]
fn what_an_engine_would_run_is_an_image_whatever_is_said_of_it() {
    let layers = |types: &[&str]| Value::Array(types.iter().map(|t| descriptor(t)).collect());
    let of = |config: &str, types: &[&str]| with(with(image(), "config", descriptor(config)), "layers", layers(types));
    let oci = "application/vnd.oci.image.config.v1+json";
    let tar = "application/vnd.oci.image.layer.v1.tar";
    let helm = "application/vnd.cncf.helm.config.v1+json";
    let statement = "application/vnd.in-toto+json";
    for (value, accessory, why) in [
        (of(oci, &[tar]), None, "an image"),
        (of(oci, &[]), None, "an image without layers"),
        (of("application/vnd.docker.container.image.v1+json", &[tar]), None, "a Docker image"),
        (of("application/octet-stream", &[tar]), None, "an image of an early Docker"),
        (with(of(oci, &[tar]), "subject", descriptor(OCI_IMAGE)), None, "a subject hides no image"),
        (with(of(oci, &[tar]), "artifactType", json!("application/x")), None, "an artifact type hides no image"),
        (of(oci, &["application/x-unknown"]), None, "an unknown layer hides no image"),
        (of(oci, &[statement, tar]), None, "one statement hides no layer"),
        (of(oci, &[statement]), Some(statement), "BuildKit's attestation"),
        (
            of(oci, &["application/vnd.dev.cosign.simplesigning.v1+json"]),
            Some("application/vnd.dev.cosign.simplesigning.v1+json"),
            "cosign",
        ),
        (of(helm, &["application/vnd.cncf.helm.chart.content.v1.tar+gzip"]), Some(helm), "a chart"),
        (
            of("application/vnd.wasm.config.v0+json", &["application/wasm"]),
            Some("application/vnd.wasm.config.v0+json"),
            "wasm",
        ),
        (
            with(of("application/vnd.oci.empty.v1+json", &[tar]), "artifactType", json!("application/spdx+json")),
            Some("application/spdx+json"),
            "an SBOM",
        ),
    ] {
        let want = accessory.map_or(Kind::Image, |t| Kind::Accessory { artifact_type: t.into() });
        assert_eq!(parse(&value, None).map(|m| m.kind()), Ok(want), "{why}");
    }
    let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    let manifest = parse(&of(oci, &[foreign, tar, "application/vnd.oci.image.layer.nondistributable.v1.tar"]), None);
    let foreign: Vec<_> = manifest.unwrap().blobs().map(Descriptor::is_foreign).collect();
    assert_eq!(foreign, [false, true, false, true]);
}

#[test]
fn a_tag_can_name_a_digest() {
    let hex = "a".repeat(64);
    for (tag, is_one) in [
        (format!("sha256-{hex}"), true),
        (format!("sha256-{hex}.sig"), true),
        (format!("sha256-{hex}x"), false),
        ("latest".to_owned(), false),
        ("sha256-abc.sig".to_owned(), false),
    ] {
        assert_eq!(tag_subject(&tag).is_some(), is_one, "{tag}");
    }
}
