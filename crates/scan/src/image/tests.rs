use super::*;
use model::inventory::{FileReading, Found};

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

fn digest(n: u8) -> String {
    Digest::sha256(&[n]).to_string()
}

fn manifest(config_type: &str, layer_types: &[&str]) -> Manifest {
    let descriptor = |kind: &str, n: u8| format!(r#"{{"mediaType":"{kind}","digest":"{}","size":10}}"#, digest(n));
    let layers: Vec<String> = (1u8..).zip(layer_types).map(|(n, kind)| descriptor(kind, n)).collect();
    let media_type = model::manifest::OCI_IMAGE;
    let text = format!(
        r#"{{"schemaVersion":2,"mediaType":"{media_type}","config":{},"layers":[{}]}}"#,
        descriptor(config_type, 0),
        layers.join(",")
    );
    parse(text.as_bytes(), media_type).unwrap()
}

fn config(os: &str, diff_ids: &[String]) -> Vec<u8> {
    let ids: Vec<String> = diff_ids.iter().map(|id| format!("{id:?}")).collect();
    let ids = ids.join(",");
    format!(r#"{{"os":"{os}","architecture":"amd64","rootfs":{{"type":"layers","diff_ids":[{ids}]}}}}"#).into()
}

fn read(diff_id: &str) -> LayerOutcome {
    let found = Found { purl_type: "pypi".into(), name: "a".into(), version: "1".into(), ..Found::default() };
    let file = FileReading { path: "a/METADATA".into(), packages: vec![found], ..FileReading::default() };
    let files = vec![file];
    LayerOutcome::Inventory(Box::new(LayerInventory {
        diff_id: diff_id.into(),
        bytes: 10,
        files,
        ..Default::default()
    }))
}

fn failed(code: &str) -> LayerOutcome {
    LayerOutcome::Failed { code: code.into(), text: "why".into() }
}

#[test]
fn an_image_is_refused_for_what_it_says_or_read_with_notes() {
    let two = [GZIP, GZIP];
    let ids = [digest(11), digest(12)];
    for (os, ids, layers, want, why) in [
        ("linux", &ids[..], &two[..], Ok(&[][..]), "an ordinary image"),
        ("", &ids[..], &two[..], Ok(&[][..]), "no platform is read as Linux"),
        ("linux", &[], &[], Ok(&[]), "no layers at all"),
        ("linux", &ids[..1], &two, Ok(&["diff-id"]), "fewer diff ids than layers"),
        ("windows", &ids, &two, Err("os-windows"), "Windows"),
        (
            "linux",
            &ids,
            &[GZIP, "application/vnd.oci.image.layer.v1.tar+gzip+encrypted"],
            Err("encrypted"),
            "encrypted",
        ),
        (
            "linux",
            &ids,
            &[GZIP, "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"],
            Ok(&["foreign-layer"]),
            "a layer outside the registry",
        ),
    ] {
        let image = Image::of(&manifest(CONFIG, layers), Ok(&config(os, ids)));
        let codes = image.map(|image| image.notes.into_iter().map(|note| note.code).collect::<Vec<_>>());
        let codes = codes.map_err(|refused| refused.code);
        assert_eq!(codes, want.map(|codes: &[&str]| codes.iter().map(|c| c.to_string()).collect()), "{why}");
    }
}

#[test]
fn a_configuration_that_cannot_be_used_is_a_gap_and_no_more() {
    let manifest = manifest(CONFIG, &[GZIP]);
    for (config, why) in [
        (Ok(&b"not json"[..]), "no JSON"),
        (Ok(&br#"{"rootfs":1}"#[..]), "a field of another kind"),
        (Err("there is no blob".to_owned()), "not there"),
    ] {
        let image = Image::of(&manifest, config).unwrap();
        assert_eq!(image.notes.first().map(|note| (note.code.as_str(), note.gap)), Some(("config", true)), "{why}");
        assert_eq!(image.platform(), "", "{why}");
        assert!(
            image.inventory(&[&read("sha256:whatever")], &Limits::default()).is_ok(),
            "{why}: the layers are read all the same"
        );
    }
}

#[test]
fn every_outcome_of_a_layer_has_its_verdict() {
    use Verdict::{Failed, Unsupported};
    let (good, other) = (digest(11), digest(12));
    let size = |bytes| {
        let LayerOutcome::Inventory(mut inventory) = read(&digest(11)) else { unreachable!() };
        inventory.bytes = bytes;
        LayerOutcome::Inventory(inventory)
    };
    for (outcome, want, why) in [
        (read(&good), Ok(&[][..]), "as claimed"),
        (read(&other), Err((Failed, "diff-id")), "other content than claimed"),
        (read(""), Err((Failed, "diff-id")), "no content at all"),
        (size(11), Err((Failed, "size")), "larger than the manifest says"),
        (failed("layer-truncated"), Ok(&["layer-truncated"][..]), "cut off: the other layers count"),
        (failed("layer-unreadable"), Err((Failed, "layer-unreadable")), "damaged"),
        (failed("crash"), Err((Failed, "crash")), "the reader crashed"),
        (failed("limit-time"), Err((Unsupported, "limit-time")), "over a limit"),
        (failed("compression-unsupported"), Err((Unsupported, "compression-unsupported")), "xz"),
        (failed("a code of another version"), Err((Failed, "crash")), "an unknown code"),
    ] {
        let image = Image::of(&manifest(CONFIG, &[GZIP]), Ok(&config("linux", std::slice::from_ref(&good)))).unwrap();
        let got = image.inventory(&[&outcome], &Limits::default());
        let got = got.map(|inventory| inventory.notes.into_iter().map(|note| note.code).collect::<Vec<_>>());
        let want = want.map(|codes: &[&str]| codes.iter().map(|c| c.to_string()).collect());
        assert_eq!(got.map_err(|refused| (refused.verdict, refused.code)), want, "{why}");
    }
}
