//! The fonts: all of them inside the program, none of the machine (sources and licences: `fonts/README.md`).

use krilla::text::Font;
use parley::fontique::{Blob, Collection, CollectionOptions, SourceCache};
use parley::{FontContext, FontFamilyName};
use std::sync::{Arc, OnceLock};

macro_rules! fonts {
    ($($name:literal)+) => { &[$(include_bytes!(concat!("../fonts/", $name))),+] };
}

/// In the order in which they are asked for a character.
static FILES: &[&[u8]] = fonts! {
    "NotoSans-Regular.ttf" "NotoSans-Bold.ttf" "NotoSansArabic-Regular.ttf" "NotoSansHebrew-Regular.ttf" "NotoSansDevanagari-Regular.ttf"
    "NotoSansThai-Regular.ttf" "NotoSansBengali-Regular.ttf" "NotoSansTamil-Regular.ttf" "NotoSansTelugu-Regular.ttf"
    "NotoSansKannada-Regular.ttf" "NotoSansMalayalam-Regular.ttf" "NotoSansGujarati-Regular.ttf" "NotoSansGurmukhi-Regular.ttf"
    "NotoSansSinhala-Regular.ttf" "NotoSansLao-Regular.ttf" "NotoSansKhmer-Regular.ttf" "NotoSansMyanmar-Regular.ttf"
    "NotoSansGeorgian-Regular.ttf" "NotoSansArmenian-Regular.ttf" "NotoSansEthiopic-Regular.ttf" "NotoSansCJKkr-Hangul.otf" "DroidSansFallbackFull.ttf"
};

/// What lays text out with these fonts only, and the names of their families in order.
pub fn context() -> (FontContext, Vec<FontFamilyName<'static>>) {
    let mut collection = Collection::new(CollectionOptions { shared: false, system_fonts: false });
    let mut names: Vec<FontFamilyName<'static>> = Vec::new();
    for file in FILES {
        for (family, _) in collection.register_fonts(Blob::new(Arc::new(*file)), None) {
            let Some(name) = collection.family_name(family).map(str::to_owned) else { continue };
            let name = FontFamilyName::Named(name.into());
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    (FontContext { collection, source_cache: SourceCache::default() }, names)
}

/// Which of the fonts these bytes are.
pub fn number(bytes: &[u8]) -> Option<usize> {
    FILES.iter().position(|file| std::ptr::eq(file.as_ptr(), bytes.as_ptr()))
}

/// A font as the PDF takes it.
pub fn font(number: usize) -> Option<Font> {
    static FONTS: OnceLock<Vec<Option<Font>>> = OnceLock::new();
    let fonts = FONTS.get_or_init(|| FILES.iter().map(|file| Font::new((*file).into(), 0)).collect());
    fonts.get(number).cloned().flatten()
}
