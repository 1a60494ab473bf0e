//! Blobs, uploads, manifests, tags, events.

use super::{caller, descriptor, on_every_engine};
use crate::{Child, End, Error, ManifestKind, Store};
use bytes::Bytes;
use model::Digest;
use model::verdict::Coverage;
use std::future::Future;
use std::task::Poll;

#[test]
fn an_upload_becomes_a_blob_only_under_the_digest_its_bytes_have() {
    on_every_engine(|fresh| async move {
        let (store, registry) = (&fresh.store, fresh.registry().await);
        let bytes: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
        let want = Digest::sha256(&bytes);
        let id = store.begin_upload(registry, "app", "ann").await.unwrap();
        for chunk in bytes.chunks(700_000) {
            let mut upload = store.upload(id, registry, "app", "ann").await.unwrap();
            upload.append(Bytes::copy_from_slice(chunk)).await.unwrap();
            assert!(matches!(store.upload(id, registry, "app", "ann").await, Err(Error::UploadBusy(_))));
            upload.pause().await.unwrap();
        }
        for (repository, principal, why) in
            [("app", "eve", "another principal"), ("other", "ann", "another repository")]
        {
            assert!(
                matches!(store.upload(id, registry, repository, principal).await, Err(Error::NoUpload(_))),
                "{why}"
            );
        }
        let upload = store.upload(id, registry, "app", "ann").await.unwrap();
        assert_eq!(upload.offset(), 3_000_000);
        assert_eq!(upload.finish(&want).await.unwrap(), want);
        assert_eq!(store.has_blob(registry, "app", &want).await.unwrap(), Some(3_000_000));
        assert_eq!(store.has_blob(registry, "other", &want).await.unwrap(), None, "no link, no blob");
        assert!(store.mount_blob(registry, "app", "other", &want).await.unwrap());
        assert!(!store.mount_blob(registry, "nobody", "third", &want).await.unwrap());
        assert_eq!(store.blobs().bytes(&want, 3_000_000).await.unwrap(), bytes);
        let part = store.blobs().read(&want, Some(10..20)).await.unwrap();
        assert_eq!((part.size, part.range), (3_000_000, 10..20));

        let liar = store.begin_upload(registry, "app", "ann").await.unwrap();
        let mut upload = store.upload(liar, registry, "app", "ann").await.unwrap();
        upload.append(Bytes::from_static(b"other")).await.unwrap();
        assert!(matches!(upload.finish(&want).await, Err(Error::DigestMismatch { .. })));
        assert!(matches!(store.upload(liar, registry, "app", "ann").await, Err(Error::NoUpload(_))), "it is gone");
    });
}

#[test]
fn a_sha512_digest_is_verified_as_well() {
    on_every_engine(|fresh| async move {
        let registry = fresh.registry().await;
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA512, b"hello");
        let want = Digest::from_hash(model::digest::Algorithm::Sha512, hash.as_ref());
        let id = fresh.store.begin_upload(registry, "app", "ann").await.unwrap();
        let mut upload = fresh.store.upload(id, registry, "app", "ann").await.unwrap();
        upload.append(Bytes::from_static(b"hello")).await.unwrap();
        assert_eq!(upload.finish(&want).await.unwrap(), want);
        assert_eq!(&fresh.store.blobs().bytes(&want, 10).await.unwrap()[..], b"hello");
    });
}

#[test]
fn an_upload_goes_on_after_a_restart() {
    on_every_engine(|fresh| async move {
        let registry = fresh.registry().await;
        let id = fresh.store.begin_upload(registry, "app", "ann").await.unwrap();
        let mut upload = fresh.store.upload(id, registry, "app", "ann").await.unwrap();
        upload.append(Bytes::from_static(b"first ")).await.unwrap();
        upload.pause().await.unwrap();
        let again = Store::open(&fresh.settings).await.unwrap();
        assert!(!again.is_owner(), "the first process owns the folder");
        let mut upload = again.upload(id, registry, "app", "ann").await.unwrap();
        assert_eq!(upload.offset(), 6);
        upload.append(Bytes::from_static(b"second")).await.unwrap();
        upload.finish(&Digest::sha256(b"first second")).await.unwrap();
    });
}

#[test]
fn two_processes_never_write_to_one_upload_at_a_time_and_each_sees_what_the_other_wrote() {
    on_every_engine(|fresh| async move {
        let registry = fresh.registry().await;
        let (one, other) = (&fresh.store, &Store::open(&fresh.settings).await.unwrap());
        let id = one.begin_upload(registry, "app", "ann").await.unwrap();
        let mut upload = one.upload(id, registry, "app", "ann").await.unwrap();
        upload.append(Bytes::from_static(b"first ")).await.unwrap();
        assert!(matches!(other.upload(id, registry, "app", "ann").await, Err(Error::UploadBusy(_))));
        upload.pause().await.unwrap();
        let mut upload = other.upload(id, registry, "app", "ann").await.unwrap();
        upload.append(Bytes::from_static(b"second")).await.unwrap();
        assert!(matches!(one.upload(id, registry, "app", "ann").await, Err(Error::UploadBusy(_))));
        upload.pause().await.unwrap();
        let upload = one.upload(id, registry, "app", "ann").await.unwrap();
        assert_eq!(upload.offset(), 12);
        let error = upload.finish(&Digest::sha256(b"first ")).await.unwrap_err();
        assert!(matches!(error, Error::DigestMismatch { .. }), "the bytes of both count: {error}");
        assert!(matches!(other.upload(id, registry, "app", "ann").await, Err(Error::NoUpload(_))), "it is gone");
    });
}

#[test]
fn whoever_leaves_while_an_upload_is_made_a_blob_frees_it_for_nobody() {
    on_every_engine(|fresh| async move {
        let (store, registry) = (&fresh.store, fresh.registry().await);
        let want = Digest::sha256(&vec![7; 300_000]);
        let id = store.begin_upload(registry, "app", "ann").await.unwrap();
        let mut upload = store.upload(id, registry, "app", "ann").await.unwrap();
        upload.append(Bytes::from(vec![7; 300_000])).await.unwrap();
        {
            // Asked once and let go, as when a connection is reset.
            let mut finish = std::pin::pin!(upload.finish(&want));
            let asked = std::future::poll_fn(|context| Poll::Ready(finish.as_mut().poll(context))).await;
            assert!(asked.is_pending());
        }
        loop {
            match store.upload(id, registry, "app", "ann").await {
                Err(Error::UploadBusy(_)) => tokio::task::yield_now().await,
                Err(Error::NoUpload(_)) => break,
                Err(other) => panic!("{other}"),
                Ok(upload) => panic!("free at {} bytes, and about to be a blob", upload.offset()),
            }
        }
        assert_eq!(store.has_blob(registry, "app", &want).await.unwrap(), Some(300_000));
    });
}

#[test]
fn a_follower_reads_an_upload_while_it_arrives_and_learns_its_digest() {
    on_every_engine(|fresh| async move {
        let (store, registry) = (&fresh.store, fresh.registry().await);
        let mut heard = store.staging().subscribe();
        let id = store.begin_upload(registry, "app", "ann").await.unwrap();
        let mut upload = store.upload(id, registry, "app", "ann").await.unwrap();
        upload.append(Bytes::from(vec![1; 600_000])).await.unwrap();
        upload.pause().await.unwrap();
        let staged = heard.recv().await.unwrap();
        assert_eq!((staged.id, staged.repository.as_str()), (id, "app"));
        let mut follower = store.staging().follow(id).unwrap();
        let mut read = follower.next().await.unwrap().unwrap().len();
        let mut upload = store.upload(id, registry, "app", "ann").await.unwrap();
        upload.append(Bytes::from(vec![1; 5])).await.unwrap();
        let want = Digest::sha256(&vec![1; 600_005]);
        upload.finish(&want).await.unwrap();
        while let Some(bytes) = follower.next().await {
            read += bytes.unwrap().len();
        }
        assert_eq!((read, follower.end().await), (600_005, End::Committed { digest: want, bytes: 600_005 }));

        let id = store.begin_upload(registry, "app", "ann").await.unwrap();
        let mut upload = store.upload(id, registry, "app", "ann").await.unwrap();
        upload.append(Bytes::from_static(b"x")).await.unwrap();
        upload.pause().await.unwrap();
        let mut follower = store.staging().follow(id).unwrap();
        store.upload(id, registry, "app", "ann").await.unwrap().cancel().await.unwrap();
        assert_eq!(follower.end().await, End::Dropped);
    });
}

#[test]
fn a_manifest_needs_its_blobs_and_is_found_by_tag_and_digest_in_its_repository_only() {
    on_every_engine(|fresh| async move {
        let (store, registry) = (&fresh.store, fresh.registry().await);
        let mut lacking = fresh.image("app", "v1", "a").await;
        lacking.repository = "elsewhere".into();
        let error = store.put_manifest(lacking).await.unwrap_err();
        assert!(matches!(&error, Error::Missing(missing) if missing.len() == 2), "{error}");
        assert_eq!(store.repository(registry, "elsewhere").await.unwrap(), None, "nothing was written");

        let first = fresh.push_image("app", "v1", "a").await;
        assert!(first.created && first.job.is_some());
        let again = fresh.push_image("app", "v1", "a").await;
        assert_eq!((again.created, again.job, again.image), (false, first.job, first.image), "one job for one image");
        let second = fresh.push_image("app", "v1", "b").await;
        let digest = Digest::sha256(b"manifest b");
        for reference in ["v1", digest.as_str()] {
            let found = store.manifest(registry, "app", reference).await.unwrap().unwrap();
            assert_eq!((found.image, &found.bytes[..]), (second.image, &b"manifest b"[..]));
        }
        assert_eq!(store.manifest(registry, "other", "v1").await.unwrap(), None);
        assert_eq!(store.tags(registry, "other", "", 10).await.unwrap(), None);
        for tag in ["B", "a", "Z"] {
            fresh.push_image("app", tag, "b").await;
        }
        let page = store.tags(registry, "app", "", 2).await.unwrap().unwrap();
        assert_eq!((page.names, page.more), (vec!["B".to_owned(), "Z".into()], true), "byte order");
        let page = store.tags(registry, "app", "Z", 2).await.unwrap().unwrap();
        assert_eq!((page.names, page.more), (vec!["a".to_owned(), "v1".into()], false));

        assert!(store.delete_tag(registry, "app", "a", &caller()).await.unwrap());
        assert!(!store.delete_tag(registry, "app", "a", &caller()).await.unwrap());
        assert!(store.delete_manifest(registry, "app", &digest, &caller()).await.unwrap());
        assert_eq!(store.manifest(registry, "app", "v1").await.unwrap(), None);
        assert_eq!(store.manifest(registry, "app", digest.as_str()).await.unwrap(), None);
        assert!(store.tags(registry, "app", "", 9).await.unwrap().unwrap().names.is_empty());
        assert_eq!(store.events(None, 3).await.unwrap()[0].action, "delete");
    });
}

#[test]
fn what_is_no_image_is_kept_and_never_read() {
    on_every_engine(|fresh| async move {
        let (store, registry) = (&fresh.store, fresh.registry().await);
        let image = fresh.push_image("app", "v1", "a").await;
        let blob = fresh.push_blob("app", b"signature").await;
        let kind = ManifestKind::Accessory { blobs: vec![descriptor(&blob)] };
        let mut signature = fresh.manifest("app", "", "signature", kind.clone()).await;
        signature.subject = Some(Digest::sha256(b"manifest a"));
        signature.artifact_type = "application/x-sig".into();
        let signature = store.put_manifest(signature).await.unwrap();
        assert_eq!(signature.job, None);
        let children = vec![
            Child { digest: Digest::sha256(b"manifest a"), platform: "linux/amd64".into() },
            Child { digest: Digest::sha256(b"manifest signature"), platform: "unknown/unknown".into() },
        ];
        let index = fresh.manifest("app", "multi", "index", ManifestKind::Index { children }).await;
        store.put_manifest(index).await.unwrap();

        let referrers = store.referrers(registry, "app", &Digest::sha256(b"manifest a"), "").await.unwrap();
        assert_eq!(referrers.len(), 1);
        let none = store.referrers(registry, "app", &Digest::sha256(b"manifest a"), "application/other").await.unwrap();
        assert_eq!(none, []);
        let snapshot = store.snapshot().await.unwrap();
        let coverage = |id| snapshot.images.iter().find(|i| i.id == id).map(|i| i.coverage);
        assert_eq!(coverage(signature.image), Some(Coverage::Accessory));
        let multi: Vec<i64> = snapshot.tags.iter().filter(|t| t.name == "multi").map(|t| t.image).collect();
        assert_eq!(multi, [0, image.image, signature.image], "the index, and one for each child");

        let job = store.claim("w").await.unwrap().unwrap();
        assert_eq!(job.digest, Some(Digest::sha256(b"manifest a")));
        assert!(store.claim("w").await.unwrap().is_none(), "a signature is not read");
    });
}

#[test]
fn nothing_that_a_pusher_says_beside_an_image_keeps_it_from_being_read() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        let mut referring = fresh.image("app", "", "referring").await;
        referring.subject = Some(Digest::sha256(b"anything"));
        assert!(store.put_manifest(referring).await.unwrap().job.is_some(), "it refers to another");
        assert!(fresh.push_image("app", "sha256-00.sig", "signed").await.job.is_some(), "its tag is one of cosign's");
        let everybodys = fresh.push_image("app", "v1", "public").await;
        fresh.push_image("mine", "v1", "public").await;
        let child = Child { digest: Digest::sha256(b"manifest public"), platform: "unknown/unknown".into() };
        let index = fresh.manifest("mine", "multi", "index", ManifestKind::Index { children: vec![child] }).await;
        store.put_manifest(index).await.unwrap();
        let image = store.snapshot().await.unwrap().images.into_iter().find(|i| i.id == everybodys.image).unwrap();
        assert_eq!(image.coverage, Coverage::InWindow, "an index calls it an attestation");
        let mut read = 0;
        while store.claim("w").await.unwrap().is_some() {
            read += 1;
        }
        assert_eq!(read, 3);
    });
}

#[test]
fn only_pulls_by_others_move_the_last_pull() {
    on_every_engine(|fresh| async move {
        let (store, registry) = (&fresh.store, fresh.registry().await);
        fresh.push_image("app", "v1", "a").await;
        let manifest = store.manifest(registry, "app", "v1").await.unwrap().unwrap();
        let mut scanner = caller();
        scanner.scanner = true;
        store.record_pull(registry, "app", "", &manifest, &scanner).await.unwrap();
        assert_eq!(store.snapshot().await.unwrap().presences[0].last_pull.0, 0);
        store.record_pull(registry, "app", "v1", &manifest, &caller()).await.unwrap();
        let presence = store.snapshot().await.unwrap().presences.remove(0);
        assert!(presence.last_pull > presence.last_push);
        let (log, _) = store.log_rows(&crate::LogFilter::default(), 10).await.unwrap();
        let pulls = log.iter().filter(|row| row.entry.operation == "pull").map(|row| row.entry.caller.scanner);
        let pulls: Vec<bool> = pulls.collect();
        assert_eq!(pulls, [false, true], "both are in the log");
        assert_eq!(store.events(None, 10).await.unwrap().iter().filter(|e| e.action == "pull").count(), 1);
    });
}
