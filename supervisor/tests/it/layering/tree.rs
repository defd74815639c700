//! The modules of one crate, read from its sources: which file each stands in, what it declares and what it names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::Visit;
use syn::{Attribute, Item, UseTree};

/// A path as it is written, segment by segment.
pub(super) type Segments = Vec<String>;

/// One module: a file, or an inline `mod name { … }` of one.
#[derive(Default)]
pub(super) struct Module {
    pub(super) path: Segments,
    /// Relative to the crate's `src`.
    pub(super) file: PathBuf,
    pub(super) children: BTreeMap<String, usize>,
    /// Names that `use` brings in or hands on: the name here, and the path it was written with.
    pub(super) uses: BTreeMap<String, Segments>,
    /// `use path::*`.
    pub(super) globs: Vec<Segments>,
    pub(super) items: BTreeSet<String>,
    /// All other paths in its code.
    pub(super) paths: BTreeSet<Segments>,
}

/// All modules that ship; what stands below `#[cfg(test)]` is left out.
pub(super) struct Tree {
    pub(super) modules: Vec<Module>,
}

impl Tree {
    /// Reads `src/lib.rs` or `src/main.rs` and every file that is declared from there.
    pub(super) fn read(src: &Path) -> Tree {
        let mut tree = Tree { modules: Vec::new() };
        let root = ["lib.rs", "main.rs"]
            .into_iter()
            .find(|name| src.join(name).exists())
            .expect("a root");
        tree.read_file(src, PathBuf::from(root), Segments::new());
        tree
    }

    fn read_file(&mut self, src: &Path, file: PathBuf, path: Segments) -> usize {
        let text =
            std::fs::read_to_string(src.join(&file)).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.read_items(src, file, path, parsed.items)
    }

    fn read_items(&mut self, src: &Path, file: PathBuf, path: Segments, items: Vec<Item>) -> usize {
        let index = self.modules.len();
        self.modules.push(Module {
            path: path.clone(),
            file: file.clone(),
            ..Module::default()
        });
        for item in items {
            if !only_for_tests(attributes(&item)) {
                self.read_item(src, &file, index, item);
            }
        }
        index
    }

    fn read_item(&mut self, src: &Path, file: &Path, index: usize, item: Item) {
        match item {
            Item::Mod(module) => {
                let name = module.ident.to_string();
                let mut path = self.modules[index].path.clone();
                path.push(name.clone());
                let child = match module.content {
                    Some((_, items)) => self.read_items(src, file.to_owned(), path, items),
                    None => self.read_file(src, file_of(src, &path, path_attribute(&module.attrs), file), path),
                };
                self.modules[index].children.insert(name, child);
            }
            Item::Use(item) => self.modules[index].read_use(Segments::new(), &item.tree),
            item => {
                self.modules[index].items.extend(name_of(&item));
                let mut names = Names::default();
                names.visit_item(&item);
                for tree in &names.uses {
                    self.modules[index].read_use(Segments::new(), tree);
                }
                self.modules[index].paths.extend(names.paths);
            }
        }
    }

    /// The file that declares what `path` means inside module `from`; none for other crates.
    pub(super) fn file_of(&self, from: usize, path: &[String]) -> Option<&Path> {
        let absolute = self.absolute(from, path, 0)?;
        let module = self.declaring(&absolute, 0)?;
        Some(&self.modules[module].file)
    }

    /// `path`, written inside module `from`, from the root of the crate.
    fn absolute(&self, from: usize, path: &[String], depth: usize) -> Option<Segments> {
        let (first, rest) = path.split_first()?;
        let module = &self.modules[from];
        let mut start = match first.as_str() {
            "crate" => return Some(rest.to_vec()),
            "self" => module.path.clone(),
            "super" => return self.absolute(self.parent(from)?, &with("self", rest), depth),
            name if module.children.contains_key(name) => with_last(&module.path, name),
            name => {
                let written = module.uses.get(name).filter(|_| depth < 8)?;
                if written.len() == 1 && written[0] == *first {
                    return None;
                }
                self.absolute(from, written, depth + 1)?
            }
        };
        // `self::super::` does not occur; `super::super::` does.
        if rest.first().is_some_and(|segment| segment == "super") {
            return self.absolute(self.parent(from)?, &with("self", &rest[1..]), depth);
        }
        start.extend_from_slice(rest);
        Some(start)
    }

    /// The module that declares the last item that `absolute` leads to, through every `use` on the way.
    fn declaring(&self, absolute: &[String], depth: usize) -> Option<usize> {
        let mut current = 0;
        for (position, segment) in absolute.iter().enumerate() {
            let module = &self.modules[current];
            if let Some(child) = module.children.get(segment) {
                current = *child;
                continue;
            }
            if module.items.contains(segment) || depth > 8 {
                return Some(current);
            }
            let rest = &absolute[position + 1..];
            if let Some(written) = module.uses.get(segment) {
                let mut target = self.absolute(current, written, depth + 1)?;
                target.extend_from_slice(rest);
                return self.declaring(&target, depth + 1);
            }
            for glob in &module.globs {
                let target = self.absolute(current, &with_last(glob, segment), depth + 1);
                if let Some(found) = target.and_then(|target| self.declaring_exactly(&target, depth + 1)) {
                    return Some(found);
                }
            }
            return Some(current);
        }
        Some(current)
    }

    fn declaring_exactly(&self, absolute: &[String], depth: usize) -> Option<usize> {
        let found = self.declaring(absolute, depth)?;
        let module = &self.modules[found];
        absolute
            .last()
            .filter(|name| module.items.contains(*name))
            .map(|_| found)
    }

    fn parent(&self, module: usize) -> Option<usize> {
        let path = self.modules[module].path.split_last()?.1;
        self.modules.iter().position(|module| module.path == path)
    }
}

impl Module {
    fn read_use(&mut self, mut before: Segments, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.read_use(before, &path.tree);
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.read_use(before.clone(), tree)),
            UseTree::Glob(_) => self.globs.push(before),
            UseTree::Name(name) if name.ident == "self" => {
                self.uses.extend(before.last().cloned().map(|name| (name, before)));
            }
            UseTree::Name(name) => {
                before.push(name.ident.to_string());
                self.uses.insert(name.ident.to_string(), before);
            }
            UseTree::Rename(rename) => {
                before.push(rename.ident.to_string());
                // `use Trait as _` is an import all the same.
                let name = if rename.rename == "_" {
                    &rename.ident
                } else {
                    &rename.rename
                };
                self.uses.insert(name.to_string(), before);
            }
        }
    }
}

fn with(first: &str, rest: &[String]) -> Segments {
    [&[first.to_owned()], rest].concat()
}

fn with_last(path: &[String], last: &str) -> Segments {
    [path, &[last.to_owned()]].concat()
}

/// Where module `path` stands: `a/b.rs` or `a/b/mod.rs`, unless an attribute says otherwise.
fn file_of(src: &Path, path: &[String], named: Option<String>, declared_in: &Path) -> PathBuf {
    if let Some(named) = named {
        return declared_in.with_file_name(named);
    }
    let below: PathBuf = path.iter().collect();
    let file = below.with_extension("rs");
    if src.join(&file).exists() {
        file
    } else {
        below.join("mod.rs")
    }
}

fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        syn::Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            syn::Expr::Lit(literal) => match &literal.lit {
                syn::Lit::Str(text) => Some(text.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    })
}

fn only_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && matches!(&attribute.meta, syn::Meta::List(list) if list.tokens.to_string() == "test")
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn name_of(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

/// Every path of an item's code, those in the arguments of macros included.
#[derive(Default)]
struct Names {
    paths: BTreeSet<Segments>,
    uses: Vec<UseTree>,
}

impl<'ast> Visit<'ast> for Names {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Segments = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 {
            self.paths.insert(segments);
        }
        syn::visit::visit_path(self, path);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.uses.push(item.tree.clone());
    }

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_macro(&mut self, found: &'ast syn::Macro) {
        self.read_tokens(found.tokens.clone());
        syn::visit::visit_macro(self, found);
    }
}

impl Names {
    fn read_tokens(&mut self, tokens: TokenStream) {
        let mut path = Segments::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(name) if colons == 2 => path.push(name.to_string()),
                TokenTree::Ident(name) => self.end_path(std::mem::replace(&mut path, vec![name.to_string()])),
                TokenTree::Punct(punct) if punct.as_char() == ':' && !path.is_empty() => {
                    colons += 1;
                    continue;
                }
                TokenTree::Group(group) => {
                    self.end_path(std::mem::take(&mut path));
                    self.read_tokens(group.stream());
                }
                _ => self.end_path(std::mem::take(&mut path)),
            }
            colons = 0;
        }
        self.end_path(path);
    }

    fn end_path(&mut self, path: Segments) {
        if path.len() > 1 {
            self.paths.insert(path);
        }
    }
}
