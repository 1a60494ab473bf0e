//! The console: right without a script, small, honest, closed to foreign content.

use crate::fleet::{Fleet, MANY, addresses};
use std::collections::BTreeSet;

impl Fleet {
    async fn every_page(&self) -> Vec<String> {
        let image = self.image_page("team/one", &self.one);
        let finding = self.finding(&format!("image={}", self.one)).await["id"].as_str().unwrap().to_owned();
        vec![
            "/".into(),
            "/activity/problems".into(),
            "/inventory".into(),
            "/inventory/repositories".into(),
            format!("/s/{}", self.subscription),
            format!("/s/{}/local", self.subscription),
            format!("/s/{}/local/team/one", self.subscription),
            format!("/findings?scope=/{}/local/team/two", self.subscription),
            "/findings".into(),
            "/vulnerabilities".into(),
            "/vulnerabilities?ids=CVE-2024-0001%20CVE-1999-0001".into(),
            "/views?address=/findings".into(),
            "/vulnerabilities/CVE-2024-0001".into(),
            format!("{image}?finding={finding}"),
            format!("{image}?tab=findings"),
            format!("{image}?tab=packages"),
            format!("{image}?tab=layers"),
            format!("{image}?tab=changes"),
            format!("{image}?tab=scans"),
            format!("{image}?tab=sbom"),
            "/packages/pkg%3Adeb%2Fdebian%2Fopenssl%401%3Farch%3Damd64%26distro%3Ddebian-12".into(),
            format!("/findings/{finding}"),
            self.image_page("team/two", &self.two),
            self.image_page("team/one", &self.failed),
            self.image_page("team/one", &self.accessory),
            self.image_page("team/two", &self.queued),
            image,
        ]
    }
}

#[tokio::test]
async fn every_answer_is_closed_to_foreign_content() {
    let fleet = Fleet::new().await;
    let mut pages = fleet.every_page().await;
    pages.extend(["/nothing", "/assets/app.js", "/api/v1/findings", "/healthz"].map(str::to_owned));
    for path in pages {
        let answer = fleet.get_as("admin", &path, &[("accept", "text/html")]).await;
        let policy = answer.header("content-security-policy");
        for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        assert!(!answer.header("cache-control").is_empty(), "{path}");
        let html = answer.text();
        assert!(!html.contains(" style=\"") && !html.contains("<style") && !html.contains(" onclick="), "{path}");
    }
}

#[tokio::test]
async fn links_and_forms_lead_somewhere_without_a_script() {
    let fleet = Fleet::new().await;
    let mut todo = fleet.every_page().await;
    let mut seen = BTreeSet::new();
    while let Some(path) = todo.pop() {
        if !seen.insert(path.clone()) || seen.len() > 400 {
            continue;
        }
        if path.starts_with("/api/") || path.starts_with("/assets/") {
            fleet.get(&path).await.is(200, &path);
            continue;
        }
        let answer = fleet.get_as("admin", &path, &[("accept", "text/html")]).await;
        if answer.status == 303 {
            todo.push(answer.header("location").to_owned());
            continue;
        }
        let html = answer.is(200, &path).text();
        assert!(!html.contains("role=\"alert\""), "{path} is a link to a problem");
        // A form that writes is no link.
        let html: String =
            html.split("<form").map(|form| form.replace(" method=\"post\" action=", " sends=")).collect();
        for link in addresses(&html, "href").into_iter().chain(addresses(&html, "action")) {
            if link.starts_with('/') {
                todo.push(link);
            }
        }
    }
    assert!(seen.len() > 100, "{} addresses", seen.len());
}

#[tokio::test]
async fn every_number_links_to_exactly_its_rows() {
    let fleet = Fleet::new().await;
    fleet.pull("team/one", "v1").await;
    fleet.pull("team/two", "v1").await;
    // Where rows are counted on the page that a number links to.
    let rows = |html: &str| {
        let caption = html.split("<caption>").nth(1).map(|rest| rest.trim_start());
        let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>();
        caption.and_then(|text| digits(text).parse::<u64>().ok()).unwrap_or(0)
    };
    let mut checked = 0;
    for path in fleet
        .every_page()
        .await
        .into_iter()
        .chain(["/inventory?q=severity:%3E%3Dhigh".into(), "/findings?q=fix:yes".into()])
    {
        let html = fleet.page(&path).await;
        let parts = html.split("<a href=\"").skip(1);
        for part in parts {
            let (link, rest) = part.split_once('"').unwrap();
            let link = link.replace("&#38;", "&").replace("&#62;", ">");
            let shown = rest.split("</a>").next().unwrap().rsplit('>').next().unwrap().trim().to_owned();
            let number = shown.split(' ').next().unwrap();
            // A share is no number of rows.
            if number.parse::<u64>().is_err() || shown.ends_with('%') {
                continue;
            }
            let list = fleet.page(&link).await;
            assert_eq!(rows(&list).to_string(), number, "{path}: {shown} links to {link}");
            checked += 1;
        }
    }
    assert!(checked > 30, "only {checked} numbers were links");
    let hidden = fleet.page(&fleet.image_page("team/one", &fleet.one)).await;
    assert!(hidden.contains("1 more hidden by default"));
    let link = addresses(&hidden, "href").into_iter().find(|l| l.contains("hidden")).unwrap();
    assert_eq!(rows(&fleet.page(&link).await), 1, "{link}");
}

#[tokio::test]
async fn repositories_are_weighed_by_what_is_in_use() {
    let fleet = Fleet::new().await;
    let card = async || {
        let html = fleet.page("/").await;
        let card = html.split("Exposure by repository").nth(1).unwrap().split("</section>").next().unwrap();
        card.to_owned()
    };
    assert!(card().await.contains("No image with a finding was pulled within 30 days"));
    fleet.pull("team/one", "v1").await;
    fleet.pull("team/two", "new").await; // not judged: nothing is known of it
    let one = card().await;
    // Critical and known exploited, 2 × 10; high, 5; the unknown one weighs nothing, the negligible one is hidden.
    assert!(one.contains("data-name=\"Points\">25<") && !one.contains("team/two"), "{one}");
    assert!(one.contains("<rect class=\"fill-critical\" x=\"0\" y=\"0\" width=\"800\""), "{one}");
    let links = addresses(&one, "href");
    let shown = links.iter().filter(|link| link.contains("pulled")).count();
    assert!(shown >= 4, "each number is a list of what was pulled: {links:?}");
    fleet.pull("team/two", "v1").await;
    let both = card().await;
    let (first, second) = (both.find("team/two").unwrap(), both.find("team/one").unwrap());
    assert!(first < second, "the heaviest first: {both}");
}

#[tokio::test]
async fn problems_are_told_by_reason_and_scans_by_how_long_they_took() {
    let fleet = Fleet::new().await;
    let html = fleet.page("/activity/problems").await;
    let why = html.split("<h2>Why</h2>").nth(1).unwrap().split("</section>").next().unwrap();
    let links = addresses(why, "href");
    let counts = why.split("</a>").filter_map(|piece| piece.rsplit('>').next()).take(links.len());
    for (link, count) in links.iter().zip(counts) {
        assert!(link.contains("reason%3A"), "{link}");
        assert!(fleet.page(link).await.contains(&format!("<caption>{count} image")), "{link}: {count}");
    }
    assert!(!links.is_empty());
    let long = html.split("How long scans took").nth(1).unwrap();
    assert!(long.contains("<path class=\"line\"") && long.contains("As a table"), "{long}");
    assert!(fleet.page("/activity/problems?q=reason:nothing").await.contains("No problem passes this filter"));
}

#[tokio::test]
async fn columns_of_the_list_of_images_add_up() {
    let fleet = Fleet::new().await;
    for (path, want) in [("/inventory", 6), ("/inventory?q=hidden:all", 3)] {
        let html = fleet.page(path).await;
        let mut images = 0;
        for row in html.split("<tr>").skip(2) {
            let number = |name: &str| {
                let cell = row.split(&format!("data-name=\"{name}\">")).nth(1)?.split("</td>").next()?;
                cell.split('>').find_map(|part| part.split('<').next()?.trim().parse::<u64>().ok())
            };
            let parts = ["Critical", "High", "Medium", "Low", "Negligible", "Unknown"];
            let sum: u64 = parts.iter().filter_map(|p| number(p)).sum();
            assert_eq!(number("Findings"), Some(sum), "{path}: {row}");
            images += 1;
        }
        assert_eq!(images, want, "{path}");
    }
}

#[tokio::test]
async fn a_list_goes_on_by_links() {
    let fleet = Fleet::new().await;
    let mut path = format!("{}?tab=findings", fleet.image_page("team/two", &fleet.two));
    let mut rows = 0;
    loop {
        let html = fleet.page(&path).await;
        assert!(html.contains(&format!("{MANY} findings")), "{path}: the total stays");
        rows += html.matches("data-pane").count();
        let next = html.split("<a ").find(|a| a.contains("rel=\"next\""));
        let Some(next) = next else { break };
        path = addresses(&format!(" {next}"), "href").remove(0);
    }
    assert_eq!(rows, MANY);
}

#[tokio::test]
async fn an_image_that_was_not_judged_says_why_and_what_to_do() {
    let fleet = Fleet::new().await;
    for (repository, digest, why, what) in [
        ("team/one", &fleet.failed, "A layer ends in the middle.", "Push the image again."),
        ("team/one", &fleet.accessory, "Not an image: an attestation", "Nothing to do."),
        ("team/two", &fleet.queued, "Not scanned yet", "The page changes by itself"),
    ] {
        let html = fleet.page(&fleet.image_page(repository, digest)).await;
        assert!(html.contains(why) && html.contains(what), "{why}: {html}");
        assert!(!html.contains("tag good"), "{why} is not green");
    }
}

#[tokio::test]
async fn pages_are_small_and_few_requests_show_them() {
    let fleet = Fleet::new().await;
    let zipped = [("accept", "text/html"), ("accept-encoding", "gzip")];
    for path in fleet.every_page().await {
        let html = fleet.page(&path).await;
        let mut assets: BTreeSet<_> = addresses(&html, "href").into_iter().chain(addresses(&html, "src")).collect();
        assets.retain(|a| a.starts_with("/assets/"));
        assert!(assets.len() < 4, "{path} needs {assets:?}");
        let answer = fleet.get_as("admin", &path, &zipped).await.is(200, &path);
        assert_eq!(answer.header("content-encoding"), "gzip", "{path}");
        let page = answer.body.len();
        assert!(page <= 15 * 1024, "{path} is {page} bytes");
        let mut all = page;
        for asset in &assets {
            all += fleet.get_as("admin", asset, &zipped).await.is(200, asset).body.len();
        }
        assert!(all <= 60 * 1024, "a first visit to {path} is {all} bytes");
        println!("{:6} {all:6} bytes {path}", page);
    }
}

#[tokio::test]
async fn an_empty_store_says_what_to_do() {
    let fleet = Fleet::empty().await;
    let html = fleet.page("/").await;
    for part in ["No image yet", "docker://registry.test:5000/app:1", "Scan the sample image"] {
        assert!(html.contains(part), "{part}");
    }
    assert!(fleet.page("/vulnerabilities").await.contains("Not found in 0 images"));
    assert!(fleet.page("/findings").await.contains("No findings"));
}

#[tokio::test]
async fn a_wrong_filter_keeps_what_was_typed_and_shows_everything() {
    let fleet = Fleet::new().await;
    let image = fleet.image_page("team/one", &fleet.one);
    for path in ["/inventory", "/inventory/repositories", "/findings", "/vulnerabilities", &image] {
        let html = fleet.page(&format!("{path}?q=colour:red")).await;
        assert!(html.contains("value=\"colour:red\"") && html.contains("role=\"alert\""), "{path}");
        assert!(html.contains("colour:red") && html.contains("<tbody>"), "{path}");
    }
}

#[tokio::test]
async fn a_list_from_a_bulletin_says_what_is_absent() {
    let fleet = Fleet::new().await;
    let html = fleet.page("/vulnerabilities?ids=see+CVE-2024-0001,+ghsa-2024-0000+and+CVE-1999-0001").await;
    assert!(html.contains("2 of 3 ids found") && html.contains("Not found: <code>CVE-1999-0001</code>"), "{html}");
    assert!(html.contains("2 distinct vulnerabilities"), "an alias leads to its vulnerability");
}

#[tokio::test]
async fn a_filter_that_nothing_passes_names_the_word_to_drop() {
    let fleet = Fleet::new().await;
    let html = fleet.page("/findings?q=severity:critical%20fix:no").await;
    let blamed = html.contains("<code>severity:critical</code>") && html.contains("there would be");
    assert!(blamed, "most findings without a fix are not critical: {html}");
}

#[tokio::test]
async fn a_tag_leads_to_the_image_in_force() {
    let fleet = Fleet::new().await;
    let page = fleet.image_page("team/one", &fleet.failed);
    let (repository, _) = page.split_once('@').unwrap();
    let answer = fleet.get_as("admin", &format!("{repository}:v2?tab=scans"), &[("accept", "text/html")]).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, format!("{page}?tab=scans").as_str()));
    let answer = fleet.get_as("admin", &format!("{repository}:nothing"), &[("accept", "text/html")]).await;
    assert_eq!(answer.status.as_u16(), 404);
}
