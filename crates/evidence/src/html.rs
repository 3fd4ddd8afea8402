//! What an HTML text points at and what its reader sees. Tokenised by `html5gum`; nothing is rendered, run or fetched.

use crate::links::{Links, UrlSource};
use html5gum::Tokenizer;
use html5gum::emitters::default::{DefaultEmitter, StartTag, Token};
use url::Url;

/// Scans `html`: links and addresses go to `links`, the text that a reader sees comes back.
pub(crate) fn scan(html: &str, links: &mut Links) -> String {
    let mut emitter = DefaultEmitter::<()>::default();
    // Without it the text of scripts and styles would be read as markup.
    emitter.naively_switch_states(true);
    let mut page = Page { links, base: None, raw: None, hidden: None, visible: String::new() };
    for token in Tokenizer::new_with_emitter(html, emitter) {
        match token {
            Ok(Token::StartTag(tag)) => page.start(&tag),
            Ok(Token::EndTag(tag)) => page.end(&String::from_utf8_lossy(&tag.name)),
            Ok(Token::String(text)) => page.text(&String::from_utf8_lossy(&text)),
            Ok(Token::Comment(text)) => page.links.text(&String::from_utf8_lossy(&text), UrlSource::Hidden),
            Ok(_) => {}
            Err(never) => match never {},
        }
    }
    let Page { links, visible, .. } = page;
    links.text(&visible, UrlSource::Text);
    visible
}

struct Page<'a> {
    links: &'a mut Links,
    base: Option<Url>,
    /// Inside a script or a style: its text is no reader's.
    raw: Option<UrlSource>,
    /// Inside an element that is not shown: its name and how many of that name are open.
    hidden: Option<(String, u32)>,
    visible: String,
}

impl Page<'_> {
    fn start(&mut self, tag: &StartTag<()>) {
        let name = String::from_utf8_lossy(&tag.name).into_owned();
        let attr = |name: &str| tag.attributes.get(name.as_bytes()).map(|v| String::from_utf8_lossy(v).into_owned());
        match name.as_str() {
            "script" => self.raw = Some(UrlSource::Script),
            "style" => self.raw = Some(UrlSource::Embedded),
            // Only an absolute base counts: there is no page that the mail came from.
            "base" if self.base.is_none() => self.base = attr("href").and_then(|href| Url::parse(href.trim()).ok()),
            "meta" if attr("http-equiv").is_some_and(|v| v.trim().eq_ignore_ascii_case("refresh")) => {
                if let Some(target) = attr("content").as_deref().and_then(refresh_target) {
                    self.links.add(target, self.base.as_ref(), UrlSource::Refresh);
                }
                return;
            }
            _ => {}
        }
        for (key, value) in &tag.attributes {
            let value = String::from_utf8_lossy(value);
            let source = match &key[..] {
                b"href" | b"xlink:href" if matches!(name.as_str(), "link" | "image" | "use") => UrlSource::Embedded,
                b"href" | b"xlink:href" | b"ping" | b"cite" | b"data-saferedirecturl" => UrlSource::Link,
                b"action" | b"formaction" => UrlSource::Form,
                b"src" | b"background" | b"poster" | b"lowsrc" | b"dynsrc" | b"longdesc" => UrlSource::Embedded,
                b"data" if name == "object" => UrlSource::Embedded,
                b"srcset" => {
                    let candidates = value.split(',').filter_map(|c| c.split_whitespace().next());
                    candidates.for_each(|c| self.links.add(c, self.base.as_ref(), UrlSource::Embedded));
                    continue;
                }
                b"style" if value.contains("url(") => {
                    self.links.text(&value.replace(['(', ')'], " "), UrlSource::Embedded);
                    continue;
                }
                key if key.starts_with(b"on") => {
                    self.links.text(&value, UrlSource::Script);
                    continue;
                }
                // Namespaces are names, not places.
                key if key.starts_with(b"xmlns") || key == b"itemtype" => continue,
                _ => {
                    if value.contains("://") {
                        self.links.text(&value, UrlSource::Attribute);
                    }
                    continue;
                }
            };
            if name != "base" {
                self.links.add(&value, self.base.as_ref(), source);
            }
        }
        self.open(&name, attr("style").is_some_and(|s| is_not_shown(&s)), tag.self_closing);
    }

    /// Keeps account of elements that are not shown: senders fill them with random words.
    fn open(&mut self, name: &str, unseen: bool, self_closing: bool) {
        const VOID: &[&str] =
            &["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"];
        if self_closing || VOID.contains(&name) {
            return self.gap(name);
        }
        match &mut self.hidden {
            Some((open, depth)) if open == name => *depth += 1,
            None if unseen || matches!(name, "head" | "noscript" | "template") => {
                self.hidden = Some((name.to_owned(), 1));
            }
            _ => {}
        }
        self.gap(name);
    }

    fn end(&mut self, name: &str) {
        if matches!(name, "script" | "style") {
            self.raw = None;
        }
        match &mut self.hidden {
            Some((open, depth)) if open == name => {
                *depth -= 1;
                if *depth == 0 {
                    self.hidden = None;
                }
            }
            // A head ends where the body begins or ends, whatever was left open.
            Some(_) if matches!(name, "body" | "html") => self.hidden = None,
            _ => {}
        }
        self.gap(name);
    }

    /// Elements that break a line part words; `<b>` inside a word does not.
    fn gap(&mut self, name: &str) {
        if name == "body" && self.hidden.as_ref().is_some_and(|(open, _)| open == "head") {
            self.hidden = None;
        }
        const INLINE: &[&str] =
            &["a", "b", "big", "em", "font", "i", "s", "small", "span", "strong", "sub", "sup", "u", "wbr"];
        if self.hidden.is_none() && !INLINE.contains(&name) && !self.visible.ends_with('\n') {
            self.visible.push('\n');
        }
    }

    fn text(&mut self, text: &str) {
        match self.raw {
            Some(UrlSource::Embedded) => self.links.text(&text.replace(['(', ')'], " "), UrlSource::Embedded),
            Some(source) => self.links.text(text, source),
            None if self.hidden.is_none() => self.visible.push_str(text),
            None => self.links.text(text, UrlSource::Hidden),
        }
    }
}

fn is_not_shown(style: &str) -> bool {
    let style: String = style.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_lowercase()).collect();
    style.contains("display:none") || style.contains("visibility:hidden")
}

/// `5; url='https://…'` → `https://…`
fn refresh_target(content: &str) -> Option<&str> {
    let at = content.to_ascii_lowercase().find("url")?;
    let rest = content[at + 3..].trim_start().strip_prefix('=')?;
    Some(rest.trim().trim_matches(['\'', '"']))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn run(html: &str) -> (BTreeMap<String, BTreeSet<UrlSource>>, String) {
        let mut links = Links::new(100);
        let visible = scan(html, &mut links);
        (links.finish(&BTreeSet::new()).into_iter().map(|f| (f.url, f.sources)).collect(), visible)
    }

    #[test]
    fn every_place_of_a_url_is_found_and_named() {
        let (urls, _) = run(r##"<!DOCTYPE html PUBLIC "-//W3C//DTD" "http://www.w3.org/TR/xhtml1/DTD">
            <html xmlns="http://www.w3.org/1999/xhtml"><head><base href="https://base.example/x/">
            <meta http-equiv="Refresh" content="0; URL='https://refresh.example/'">
            <link rel=stylesheet href="https://css.example/a.css"><style>p{background:url(https://style.example/b.png)}</style></head>
            <body background="https://bg.example/"><a href="https&#58;//link.example/?a=1&amp;b=2">x</a><a href="rel">y</a>
            <form action="https://form.example/post"><button formaction="https://button.example/"></form>
            <img src="https://img.example/1.png" srcset="https://set.example/1 1x, https://set.example/2 2x">
            <p style="background-image: url('https://attr.example/c.png')">or type www.typed.example</p>
            <script>location.href = "https://script.example/";</script><a onclick="go('https://on.example/')" title="https://tip.example/">z</a>
            <div style="display:none">https://hidden.example/</div>
            <!--[if mso]><v:roundrect href="https://comment.example/"><![endif]--></body></html>"##);
        let at = |url: &str| urls.get(url).map(|s| s.iter().copied().collect::<Vec<_>>()).unwrap_or_default();
        assert_eq!(at("https://link.example/?a=1&b=2"), [UrlSource::Link]);
        assert_eq!(at("https://base.example/x/rel"), [UrlSource::Link]);
        assert_eq!(at("https://refresh.example/"), [UrlSource::Refresh]);
        assert_eq!(at("https://form.example/post"), [UrlSource::Form]);
        assert_eq!(at("https://button.example/"), [UrlSource::Form]);
        assert_eq!(at("http://www.typed.example/"), [UrlSource::Text]);
        assert_eq!(at("https://script.example/"), [UrlSource::Script]);
        assert_eq!(at("https://on.example/"), [UrlSource::Script]);
        assert_eq!(at("https://comment.example/"), [UrlSource::Hidden]);
        assert_eq!(at("https://hidden.example/"), [UrlSource::Hidden]);
        assert_eq!(at("https://tip.example/"), [UrlSource::Attribute]);
        for url in [
            "css.example/a.css",
            "style.example/b.png",
            "bg.example/",
            "img.example/1.png",
            "set.example/1",
            "set.example/2",
            "attr.example/c.png",
        ] {
            assert_eq!(at(&format!("https://{url}")), [UrlSource::Embedded], "{url}");
        }
        assert_eq!(urls.len(), 18, "{urls:#?}");
    }

    #[test]
    fn only_what_a_reader_sees_is_visible_text() {
        let (_, visible) =
            run("<head><title>t</title><body><div style='display: none'>random <div>words</div> here</div>\
            <p>Dear cus<b>tom</b>er</p><script>var x = 'code';</script><style>p{}</style>pay");
        assert_eq!(visible.split_whitespace().collect::<Vec<_>>(), ["Dear", "customer", "pay"]);
    }

    #[test]
    fn broken_markup_is_survived() {
        for html in [
            "<",
            "<a href=",
            "<a href='x",
            "<!--",
            "<script>",
            "<meta http-equiv=refresh content=url>",
            "<style>@import url(",
            "\0<\0>",
        ] {
            run(html);
        }
        assert_eq!(run("<a href='https://open.example/'").0.len(), 0, "a tag that never ends is no tag");
    }
}
