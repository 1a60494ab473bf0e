//! The look: every text can be read in every theme, and what somebody chose is kept.

use crate::fleet::Fleet;
use std::collections::BTreeMap;

const STYLE: &str = include_str!("../../../../console/style.css");

/// The colours that a block of the style sheet names: light and dark.
fn palette(block: &str) -> BTreeMap<String, [[f64; 3]; 2]> {
    let colour = |text: &str| {
        let hex = u32::from_str_radix(text.trim().trim_start_matches('#'), 16).unwrap_or_else(|_| panic!("{text}"));
        [hex >> 16, hex >> 8 & 255, hex & 255].map(|channel| f64::from(channel) / 255.0)
    };
    let named = block.split("--").skip(1).filter_map(|part| {
        let (name, value) = part.split_once(": light-dark(")?;
        let (light, dark) = value.split(')').next()?.split_once(',')?;
        Some((name.to_owned(), [colour(light), colour(dark)]))
    });
    named.collect()
}

/// The colours of the usual themes, and of the one with high contrast.
fn palettes() -> [BTreeMap<String, [[f64; 3]; 2]>; 2] {
    let block = |start: &str| STYLE.split(start).nth(1).unwrap().split('}').next().unwrap();
    let usual = palette(block(":root {"));
    let mut contrast = usual.clone();
    contrast.extend(palette(block(":root[data-theme=\"contrast\"] {")));
    [usual, contrast]
}

/// WCAG's ratio of two colours.
fn ratio(one: [f64; 3], other: [f64; 3]) -> f64 {
    let linear = |c: f64| if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) };
    let bright = |c: [f64; 3]| 0.2126 * linear(c[0]) + 0.7152 * linear(c[1]) + 0.0722 * linear(c[2]);
    let (a, b) = (bright(one), bright(other));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn every_text_can_be_read_on_every_ground_in_every_theme() {
    let texts = ["ink", "soft", "link", "critical", "high", "medium", "low", "quiet", "good", "warn"];
    let mut checked = 0;
    for (colours, least) in palettes().iter().zip([4.5, 7.0]) {
        let pairs =
            ["ground", "side", "sheet", "raised", "mark"].into_iter().flat_map(|g| texts.map(|t| (t, g, least)));
        let pairs = pairs.chain([("main-ink", "main", 4.5), ("brand-ink", "brand", 4.5), ("edge", "sheet", 3.0)]);
        for (text, ground, least) in pairs {
            for (theme, light_or_dark) in ["light", "dark"].into_iter().zip(0..) {
                let got = ratio(colours[text][light_or_dark], colours[ground][light_or_dark]);
                assert!(got >= least, "{text} on {ground}, {theme}: {got:.2} is less than {least}");
                checked += 1;
            }
        }
    }
    assert_eq!(checked, 2 * 2 * (5 * 10 + 3));
}

#[test]
fn pieces_of_charts_stand_out_from_their_ground() {
    for colours in palettes() {
        for piece in ["critical-fill", "high-fill", "medium-fill", "low-fill", "quiet-fill", "good-fill"] {
            for theme in [0, 1] {
                let got = ratio(colours[piece][theme], colours["sheet"][theme]);
                assert!(got >= 1.75, "{piece} in theme {theme}: {got:.2}; each piece is named beside it as well");
            }
        }
    }
}

#[tokio::test]
async fn the_look_that_was_chosen_is_there_at_the_first_paint() {
    let fleet = Fleet::empty().await;
    let plain = fleet.page("/").await;
    assert!(!plain.contains("data-theme") && !plain.contains("data-density"), "the system decides");
    let cookie = [("accept", "text/html"), ("cookie", "pw-look=dark.compact")];
    let chosen = fleet.get_as("admin", "/", &cookie).await.is(200, "with a look").text();
    assert!(chosen.contains("<html lang=\"en\" data-theme=\"dark\" data-density=\"compact\">"), "{chosen}");
}
