use model::Digest;
use oci::{Body, Error, Options, Source};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Writes an OCI layout with one image of one layer; returns the manifest's digest and the layer's.
fn layout(folder: &Path, tag: &str) -> (Digest, Digest) {
    let blobs = folder.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let put = |bytes: &[u8]| {
        let digest = Digest::sha256(bytes);
        std::fs::write(blobs.join(digest.hex()), bytes).unwrap();
        digest
    };
    let layer = put(b"layer");
    let config = put(br#"{"rootfs":{"type":"layers","diff_ids":[]}}"#);
    let manifest = serde_json::json!({"schemaVersion": 2,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 42},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer, "size": 5}]});
    let manifest = put(manifest.to_string().as_bytes());
    let index = serde_json::json!({"schemaVersion": 2, "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": manifest, "size": 1, "annotations": {"org.opencontainers.image.ref.name": tag}}]});
    std::fs::write(folder.join("index.json"), index.to_string()).unwrap();
    (manifest, layer)
}

fn bytes(body: Body) -> Vec<u8> {
    let Body::File { file, offset, size } = body else { panic!("a file was wanted") };
    let mut bytes = vec![0; usize::try_from(size).unwrap()];
    file.read_exact_at(&mut bytes, offset).unwrap();
    bytes
}

fn tar_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append_data(&mut header, name, *bytes).unwrap();
    }
    tar.into_inner().unwrap()
}

#[tokio::test]
async fn a_layout_gives_its_images_by_tag_and_says_which_tags_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let (manifest, layer) = layout(folder.path(), "v1");
    let path = folder.path().display().to_string();
    for reference in [path.clone(), format!("{path}:v1"), format!("oci:{path}:v1")] {
        let source = Source::open(&reference, &Options::default()).await.unwrap();
        let roots = source.roots().await.unwrap();
        assert_eq!(roots.len(), 1, "{reference}");
        assert_eq!((&roots[0].digest, roots[0].tag.as_deref()), (&manifest, Some("v1")));
        assert_eq!(bytes(source.layer(&layer).await.unwrap()), b"layer");
    }
    let source = Source::open(&format!("{path}:v2"), &Options::default()).await.unwrap();
    let error = source.roots().await.unwrap_err().to_string();
    assert!(error.ends_with("has no tag v2; it has v1"), "{error}");
}

/// Puts an index of two platforms into a layout, in place of its image; returns the index' digest.
fn of_two_platforms(folder: &Path, image: &Digest) -> Digest {
    let manifests = [image, &Digest::sha256(b"another platform, which is not in the copy")]
        .map(|digest| serde_json::json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": 1}));
    let inner = serde_json::json!({"schemaVersion": 2, "manifests": manifests}).to_string();
    let digest = Digest::sha256(inner.as_bytes());
    std::fs::write(folder.join("blobs/sha256").join(digest.hex()), &inner).unwrap();
    let outer = serde_json::json!({"schemaVersion": 2, "manifests": [{"mediaType": "application/vnd.oci.image.index.v1+json",
        "digest": digest, "size": 1}]});
    std::fs::write(folder.join("index.json"), outer.to_string()).unwrap();
    digest
}

#[tokio::test]
async fn a_digest_behind_a_layout_chooses_the_manifest_that_its_index_names() {
    let (plain, nested) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (image, layer) = layout(plain.path(), "v1");
    layout(nested.path(), "v1");
    let index = of_two_platforms(nested.path(), &image);
    let of = |folder: &tempfile::TempDir| folder.path().display().to_string();
    let none = Digest::sha256(b"none");
    let absent = format!("has no manifest {none}");
    let rows = [
        ("named by index.json", of(&plain), image.as_str(), Ok(&image)),
        ("named by an index that index.json names", of(&nested), image.as_str(), Ok(&image)),
        ("the index itself", of(&nested), index.as_str(), Ok(&index)),
        ("with the kind in front", format!("oci:{}", of(&plain)), image.as_str(), Ok(&image)),
        ("a blob that is no manifest", of(&plain), layer.as_str(), Err("has no manifest sha256:")),
        ("nowhere", of(&nested), none.as_str(), Err(absent.as_str())),
        ("not a digest", of(&plain), "sha256:abc", Err("is not a digest")),
    ];
    for (reason, folder, digest, wanted) in rows {
        let reference = format!("{folder}@{digest}");
        let got = match Source::open(&reference, &Options::default()).await {
            Ok(source) => source.roots().await,
            Err(error) => Err(error),
        };
        match (got, wanted) {
            (Ok(roots), Ok(wanted)) => {
                assert_eq!(roots.iter().map(|r| &r.digest).collect::<Vec<_>>(), [wanted], "{reason}")
            }
            (Err(error), Err(said)) => assert!(error.to_string().contains(said), "{reason}: {error}"),
            (got, _) => panic!("{reason}: {got:?}"),
        }
    }
}

#[tokio::test]
async fn a_document_with_other_bytes_than_its_digest_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (manifest, _) = layout(folder.path(), "v1");
    std::fs::write(folder.path().join("blobs/sha256").join(manifest.hex()), b"{}").unwrap();
    let source = Source::open(&folder.path().display().to_string(), &Options::default()).await.unwrap();
    assert!(matches!(source.roots().await, Err(Error::WrongBytes { want, .. }) if want == manifest));
}

#[tokio::test]
async fn what_is_no_image_is_named_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "hello, this is no tar archive at all").unwrap();
    for (reference, want) in [
        (folder.path().display().to_string(), "a folder without index.json is no OCI image layout"),
        (text.display().to_string(), "not a"),
        (format!("{}/absent.tar", folder.path().display()), "there is no such file or folder"),
    ] {
        let error = Source::open(&reference, &Options::default()).await.unwrap_err().to_string();
        assert!(error.contains(want) && error.contains(&reference), "{error}");
    }
}

#[tokio::test]
async fn docker_save_archives_old_and_new_plain_and_gzipped_are_read() {
    let config = serde_json::json!({"rootfs": {"type": "layers", "diff_ids": [Digest::sha256(b"layer")]}}).to_string();
    let saved = serde_json::json!([{"Config": "c.json", "RepoTags": ["app:1"], "Layers": ["a/layer.tar"]}]).to_string();
    let plain =
        tar_of(&[("c.json", config.as_bytes()), ("a/layer.tar", b"layer"), ("manifest.json", saved.as_bytes())]);
    let mut gzipped = Vec::new();
    flate2::read::GzEncoder::new(plain.as_slice(), flate2::Compression::fast()).read_to_end(&mut gzipped).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [("plain.tar", plain), ("zipped.tar.gz", gzipped)] {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let source = Source::open(&path.display().to_string(), &Options::default()).await.unwrap();
        let roots = source.roots().await.unwrap();
        assert_eq!(roots[0].tag.as_deref(), Some("app:1"), "{name}");
        let manifest: serde_json::Value = serde_json::from_slice(&roots[0].bytes).unwrap();
        let layer = Digest::parse(manifest["layers"][0]["digest"].as_str().unwrap()).unwrap();
        assert_eq!(bytes(source.layer(&layer).await.unwrap()), b"layer");
        let config_digest = Digest::parse(manifest["config"]["digest"].as_str().unwrap()).unwrap();
        assert_eq!(source.config(&config_digest).await.unwrap(), config.as_bytes());
        let one = Source::open(&format!("{}@{}", path.display(), roots[0].digest), &Options::default()).await.unwrap();
        assert_eq!(one.roots().await.unwrap()[0].digest, roots[0].digest, "{name}: by digest");
    }
}

#[tokio::test]
async fn a_compressed_layer_of_an_archive_has_the_digest_of_its_own_bytes() {
    let mut gzipped = Vec::new();
    flate2::read::GzEncoder::new(&b"layer"[..], flate2::Compression::fast()).read_to_end(&mut gzipped).unwrap();
    let skippable = [&[0x5a, 0x2a, 0x4d, 0x18, 0, 0, 0, 0][..], &vec![7; 600_000]].concat();
    let ids = [Digest::sha256(b"layer"), Digest::sha256(b"another"), Digest::sha256(b"plain")];
    let config = serde_json::json!({"rootfs": {"type": "layers", "diff_ids": ids}}).to_string();
    // Names are what the writer likes.
    let names = ["0a.tar.gz", "1b.tar", "2c.tar.gz"];
    let saved = serde_json::json!([{"Config": "sha256:c", "RepoTags": null, "Layers": names}]).to_string();
    let members = [gzipped.as_slice(), &skippable, b"plain"];
    let mut all = vec![("sha256:c", config.as_bytes()), ("manifest.json", saved.as_bytes())];
    all.extend(names.into_iter().zip(members));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tar");
    std::fs::write(&path, tar_of(&all)).unwrap();
    let source = Source::open(&path.display().to_string(), &Options::default()).await.unwrap();
    let manifest = source.roots().await.unwrap().remove(0).bytes;
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    for ((at, member), why) in members.into_iter().enumerate().zip(["gzip", "zstd, longer than a piece", "plain"]) {
        let layer = &manifest["layers"][at];
        assert_eq!(layer["digest"].as_str(), Some(Digest::sha256(member).as_str()), "{why}");
        assert_eq!(layer["size"].as_u64(), Some(member.len() as u64), "{why}");
        let digest = Digest::parse(layer["digest"].as_str().unwrap()).unwrap();
        assert_eq!(bytes(source.layer(&digest).await.unwrap()), member, "{why}");
    }
}

#[tokio::test]
async fn layers_of_an_archive_are_read_side_by_side() {
    let (one, two) = (vec![1_u8; 4096], vec![2_u8; 4096]);
    let ids = [Digest::sha256(&one), Digest::sha256(&two)];
    let config = serde_json::json!({"rootfs": {"type": "layers", "diff_ids": ids}}).to_string();
    let saved = serde_json::json!([{"Config": "c.json", "RepoTags": null, "Layers": ["1.tar", "2.tar"]}]).to_string();
    let tar =
        tar_of(&[("c.json", config.as_bytes()), ("1.tar", &one), ("2.tar", &two), ("manifest.json", saved.as_bytes())]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tar");
    std::fs::write(&path, tar).unwrap();
    let source = Source::open(&path.display().to_string(), &Options::default()).await.unwrap();
    let mut files = Vec::new();
    for id in &ids {
        let Body::File { mut file, offset, .. } = source.layer(id).await.unwrap() else { panic!("a file was wanted") };
        std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(offset)).unwrap();
        files.push(file);
    }
    let mut half = [0; 2048];
    for _ in 0..2 {
        for (file, want) in files.iter_mut().zip([1_u8, 2]) {
            file.read_exact(&mut half).unwrap();
            assert!(half.iter().all(|b| *b == want), "a layer was read from where another one stood");
        }
    }
}
