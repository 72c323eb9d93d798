//! Makes a PNG of an SVG: `picture FROM.svg TO.png` as it looks on light pages, `picture FROM.svg TO.png dark` on dark ones.

use std::{env, fs};

use anyhow::Context as _;
use resvg::{
    tiny_skia::{Pixmap, Transform},
    usvg::{Options, Tree},
};

/// Sharp on screens with two pixels a point.
const SCALE: f32 = 2.0;

/// What stands before the style of dark pages; the renderer itself knows no such conditions.
const DARK: &str = "@media (prefers-color-scheme:dark){";

fn main() -> anyhow::Result<()> {
    let mut words = env::args().skip(1);
    let (from, to) = words.next().zip(words.next()).context("say FROM.svg and TO.png")?;
    let is_dark = words.next().is_some_and(|word| word == "dark");
    let mut options = Options::default();
    options.fontdb_mut().load_system_fonts();
    // What a family that is not installed becomes.
    options.fontdb_mut().set_sans_serif_family("DejaVu Sans");
    let svg = fs::read_to_string(&from).with_context(|| format!("cannot read {from}"))?;
    let svg = if is_dark { dark(&svg).context("the picture has no style for dark pages")? } else { svg };
    let svg = Tree::from_data(svg.as_bytes(), &options)?;
    let size = svg.size().to_int_size().scale_by(SCALE).context("the picture has no size")?;
    let mut pixels = Pixmap::new(size.width(), size.height()).context("the picture has no size")?;
    resvg::render(&svg, Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
    pixels.save_png(&to).with_context(|| format!("cannot write {to}"))
}

/// The picture with the style of dark pages set free of its condition.
fn dark(svg: &str) -> Option<String> {
    let (before, rest) = svg.split_once(DARK)?;
    let (style, after) = rest.split_once("}}")?;
    Some(format!("{before}{style}}}{after}"))
}
