//! What a table of keys is made of.

/// One key of the format.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// Distribution's Go field where that differs: its environment variables go by the field's name.
    pub(crate) field: Option<&'static str>,
    pub(crate) shape: Shape,
    pub(crate) status: KeyStatus,
}

/// What a key may hold.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    /// A scalar, kept as text.
    Text,
    /// As `Text`, never shown.
    Secret,
    /// A scalar with its YAML type: a flag, a number, a duration, a size.
    Scalar,
    /// A list of texts, or one.
    Texts,
    Section(&'static [Key]),
    /// A section, or `true` for all of its defaults.
    Switch(&'static [Key]),
    List(&'static [Key]),
    /// Names of the user's own, each holding this.
    Open(&'static Shape),
    /// Anything: what is below is not looked at.
    Any,
}

/// What becomes of a key.
#[derive(Clone, Copy)]
pub(crate) enum KeyStatus {
    /// A typed section reads it.
    Read,
    /// Harmless to ignore: a warning with this reason when it asks for anything.
    Ignored(&'static str),
    /// Ignoring it would lose data, access or events: a mistake with this reason when it asks for anything.
    Refused(&'static str),
    /// As `Refused`, even when empty: naming it is asking for it.
    RefusedByName(&'static str),
}

/// Texts under names of the user's own.
pub(super) const TEXT: Shape = Shape::Text;
/// Lists of texts under names of the user's own.
pub(super) const TEXTS: Shape = Shape::Texts;

impl Key {
    const fn new(name: &'static str, shape: Shape) -> Self {
        Self {
            name,
            field: None,
            shape,
            status: KeyStatus::Read,
        }
    }

    pub(crate) const fn text(name: &'static str) -> Self {
        Self::new(name, Shape::Text)
    }

    pub(crate) const fn secret(name: &'static str) -> Self {
        Self::new(name, Shape::Secret)
    }

    pub(crate) const fn scalar(name: &'static str) -> Self {
        Self::new(name, Shape::Scalar)
    }

    pub(crate) const fn texts(name: &'static str) -> Self {
        Self::new(name, Shape::Texts)
    }

    pub(crate) const fn section(name: &'static str, keys: &'static [Key]) -> Self {
        Self::new(name, Shape::Section(keys))
    }

    pub(crate) const fn switch(name: &'static str, keys: &'static [Key]) -> Self {
        Self::new(name, Shape::Switch(keys))
    }

    pub(crate) const fn list(name: &'static str, keys: &'static [Key]) -> Self {
        Self::new(name, Shape::List(keys))
    }

    pub(crate) const fn open(name: &'static str, of: &'static Shape) -> Self {
        Self::new(name, Shape::Open(of))
    }

    pub(crate) const fn any(name: &'static str) -> Self {
        Self::new(name, Shape::Any)
    }

    pub(crate) const fn field(mut self, field: &'static str) -> Self {
        self.field = Some(field);
        self
    }

    pub(crate) const fn ignored(mut self, reason: &'static str) -> Self {
        self.status = KeyStatus::Ignored(reason);
        self
    }

    pub(crate) const fn refused(mut self, reason: &'static str) -> Self {
        self.status = KeyStatus::Refused(reason);
        self
    }

    pub(crate) const fn refused_by_name(mut self, reason: &'static str) -> Self {
        self.status = KeyStatus::RefusedByName(reason);
        self
    }

    /// Whether a part of a variable's name means this key.
    pub(crate) fn answers_to(&self, part: &str) -> bool {
        self.name.eq_ignore_ascii_case(part) || self.field.is_some_and(|field| field.eq_ignore_ascii_case(part))
    }
}

impl Shape {
    /// The keys below, when the format names them.
    pub(crate) fn keys(&self) -> Option<&'static [Key]> {
        match self {
            Shape::Section(keys) | Shape::Switch(keys) | Shape::List(keys) => Some(keys),
            _ => None,
        }
    }
}
