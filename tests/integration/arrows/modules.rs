//! The modules of a crate, and which module each of them names: read from the sources as the compiler reads
//! them, without comments, texts and unit tests.

use super::tokens::{Token, tokens, without_tests};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A module by its names from the crate on; the crate itself has none.
pub(super) type ModulePath = Vec<String>;

/// A module imports its sibling, in a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Arrow {
    /// The module whose children both are.
    pub(super) within: ModulePath,
    pub(super) from: String,
    pub(super) to: String,
}

/// What a module says.
#[derive(Debug, Default)]
struct Module {
    file: PathBuf,
    /// The names that its `use` declarations bring, and where they come from.
    bindings: BTreeMap<String, Vec<String>>,
    /// The paths that lead out of it, as they are written.
    paths: BTreeSet<Vec<String>>,
}

/// The modules of a crate.
#[derive(Debug, Default)]
pub(super) struct Modules(BTreeMap<ModulePath, Module>);

impl Modules {
    /// The modules of the crate whose root that file is.
    pub(super) fn of(root: &Path) -> Self {
        let mut modules = Modules::default();
        let folder = root.parent().expect("a folder").to_owned();
        modules.read_file(Vec::new(), root, &folder);
        modules
    }

    /// The modules of a crate in one text.
    pub(super) fn of_text(text: &str) -> Self {
        let mut modules = Modules::default();
        modules.read(Vec::new(), &without_tests(&tokens(text)), Path::new("lib.rs"), Path::new(""));
        modules
    }

    /// The children of the crate.
    pub(super) fn top(&self) -> BTreeSet<&str> {
        self.0.keys().filter(|path| path.len() == 1).map(|path| path[0].as_str()).collect()
    }

    /// The files of the modules below that one, and what each of them imports from its children.
    pub(super) fn imports_within(&self, within: &str) -> BTreeMap<&Path, BTreeSet<String>> {
        let mut found: BTreeMap<&Path, BTreeSet<String>> = BTreeMap::new();
        for (path, module) in self.0.iter().filter(|(path, _)| path.len() > 1 && path[0] == within) {
            let arrows = self.arrows_from(path).into_iter().filter(|arrow| arrow.within == [within]);
            found.entry(&module.file).or_default().extend(arrows.map(|arrow| arrow.to));
        }
        found
    }

    /// All imports of siblings, each with a file that has it.
    pub(super) fn arrows(&self) -> BTreeMap<Arrow, &Path> {
        let mut found = BTreeMap::new();
        for (path, module) in &self.0 {
            found.extend(self.arrows_from(path).into_iter().map(|arrow| (arrow, module.file.as_path())));
        }
        found
    }

    fn arrows_from(&self, from: &ModulePath) -> Vec<Arrow> {
        let paths = self.0[from].paths.iter();
        paths.filter_map(|path| self.arrow(from, from, path)).collect()
    }

    /// Where a path leads that stands in `at`: from the first module on that `from` does not lie in. What an
    /// ancestor of `from` has from elsewhere is looked for there.
    fn arrow(&self, from: &ModulePath, at: &ModulePath, path: &[String]) -> Option<Arrow> {
        let mut here = at.clone();
        for name in path {
            match name.as_str() {
                "crate" => here.clear(),
                "super" => _ = here.pop(),
                "self" => {}
                "*" if here != *from => panic!("{from:?} imports all that {here:?} has"),
                name => {
                    let child = [here.as_slice(), &[name.to_owned()]].concat();
                    if self.0.contains_key(&child) {
                        if !from.starts_with(&child) {
                            let of_here = from.get(here.len())?.clone();
                            return Some(Arrow { within: here, from: of_here, to: name.to_owned() });
                        }
                        here = child;
                    } else {
                        // Its own imports are paths of it by themselves. A crate may be named as what it has.
                        let bindings = &self.0.get(&here).filter(|_| here != *from)?.bindings;
                        let binding = bindings.get(name).filter(|binding| binding[0] != name)?;
                        return self.arrow(from, &here, binding);
                    }
                }
            }
        }
        None
    }

    fn read_file(&mut self, path: ModulePath, file: &Path, folder: &Path) {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.read(path, &without_tests(&tokens(&text)), file, folder);
    }

    /// Reads a module; those that it declares stand in `folder`.
    fn read(&mut self, path: ModulePath, code: &[Token], file: &Path, folder: &Path) {
        let mut module = Module { file: file.to_owned(), ..Module::default() };
        let mut rest = code;
        let mut told_path = None;
        while let Some(token) = rest.first() {
            let word = |at: usize| rest.get(at).and_then(Token::word);
            match (token.word(), word(1)) {
                (None, Some("path")) if rest.get(2) == Some(&Token::Sign('=')) => {
                    told_path = rest.get(3).and_then(Token::text);
                    rest = &rest[1..];
                }
                (Some("mod"), Some(name)) => {
                    let child = [path.as_slice(), &[name.to_owned()]].concat();
                    let below = folder.join(name);
                    if rest.get(2) == Some(&Token::Sign('{')) {
                        let (inner, after) = block(&rest[2..]);
                        self.read(child, inner, file, &below);
                        rest = after;
                    } else {
                        let beside = file.parent().expect("a folder");
                        let named = told_path.take().map(|told| beside.join(told));
                        self.read_file(child, &named.unwrap_or(folder.join(format!("{name}.rs"))), &below);
                        rest = &rest[2..];
                    }
                }
                (Some("use"), Some(_)) => {
                    let end = rest.iter().position(|token| *token == Token::Sign(';')).expect("an end");
                    for (name, used) in use_tree(&rest[1..end], &[]) {
                        module.bindings.insert(name, used.clone());
                        module.paths.insert(used);
                    }
                    rest = &rest[end..];
                }
                (Some("crate" | "super" | "self"), _) => {
                    let (used, after) = path_at(rest);
                    if used.len() > 1 {
                        module.paths.insert(used);
                    }
                    rest = after;
                }
                _ => rest = &rest[1..],
            }
        }
        self.0.insert(path, module);
    }
}

/// The names of a path at the beginning, and what comes after it.
fn path_at(mut code: &[Token]) -> (Vec<String>, &[Token]) {
    let mut names = Vec::new();
    while let Some(name) = code.first().and_then(Token::word) {
        names.push(name.to_owned());
        code = &code[1..];
        match code {
            [Token::Sign(':'), Token::Sign(':'), after @ ..]
                if after.first().is_some_and(|next| next.word().is_some()) =>
            {
                code = after;
            }
            _ => break,
        }
    }
    (names, code)
}

/// What stands in the braces at the beginning, and what comes after them.
fn block(code: &[Token]) -> (&[Token], &[Token]) {
    let mut depth = 0;
    let end = code.iter().position(|token| {
        depth += i32::from(*token == Token::Sign('{')) - i32::from(*token == Token::Sign('}'));
        depth == 0
    });
    let end = end.expect("a closing brace");
    (&code[1..end], &code[end + 1..])
}

/// The names that a `use` brings, with their paths.
fn use_tree(code: &[Token], before: &[String]) -> Vec<(String, Vec<String>)> {
    let (names, rest) = path_at(code);
    let mut path = [before, &names].concat();
    let rest = match rest {
        [Token::Sign(':'), Token::Sign(':'), rest @ ..] => rest,
        rest => rest,
    };
    match rest {
        [Token::Sign('{'), ..] => {
            let (inner, _) = block(rest);
            let mut depth = 0;
            let parts = inner.split(|token| {
                depth += i32::from(*token == Token::Sign('{')) - i32::from(*token == Token::Sign('}'));
                depth == 0 && *token == Token::Sign(',')
            });
            parts.filter(|part| !part.is_empty()).flat_map(|part| use_tree(part, &path)).collect()
        }
        [Token::Sign('*'), ..] => {
            path.push("*".to_owned());
            vec![("*".to_owned(), path)]
        }
        _ => {
            // `name as other` is a path of one name, and two words after it.
            let other = match rest {
                [Token::Word(word), Token::Word(other), ..] if word == "as" => Some(other.clone()),
                _ => None,
            };
            let last = path.iter().rev().find(|name| *name != "self").cloned();
            vec![(other.or(last).unwrap_or_default(), path)]
        }
    }
}
