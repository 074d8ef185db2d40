//! The set as tokens: few of them, since rustc pays for tokens and expressions, not for the length of a literal.

use std::path::Path;

use proc_macro2::{Literal, Span, TokenStream};
use quote::{quote, quote_spanned};
use whimbrel_core::load::Loaded;
use whimbrel_core::packed::pack;
use whimbrel_core::{Problem, Problems, Version, Warning};

/// An expression of type `Migrations`, constant, and a watch on every file; warnings stand under the span.
pub(crate) fn emit(loaded: &Loaded, directory: &Path, shown: &str, span: Span) -> Result<TokenStream, Problems> {
    let warnings = loaded.warnings.iter().map(|warning| warn(warning, span));
    let directory = directory.to_str().ok_or_else(|| not_utf8(directory))?;
    let packed = pack(&loaded.migrations);
    let (text, table) = (Literal::string(&packed.text), Literal::byte_string(&packed.table));
    let supported = loaded.migrations.__supported();
    let minimum = option(loaded.migrations.minimum_supported().map(Version::as_written));
    // cargo reads the names from rustc's list of dependencies: an edit, a removal and a rename rebuild the crate.
    let watched = loaded.files.iter().map(|file| format!("{directory}/{file}"));
    let source = source(directory, &loaded.names.join("\n"), &loaded.ignore);
    let application = option(application().as_deref());
    Ok(quote! {
        __whimbrel::watch!(#(#watched)*);
        #source
        #(#warnings)*
        static EMBEDDED: __whimbrel::Embedded = __whimbrel::Embedded::new(#text, #table);
        __whimbrel::Migrations::__embedded(&EMBEDDED, #supported, #minimum, #shown, #application, SOURCE)
    })
}

/// The name and version of the package that embeds the set, as cargo tells them: what the history says has migrated.
fn application() -> Option<String> {
    let variable = |name: &str| std::env::var(name).ok();
    Some(format!("{} {}", variable("CARGO_PKG_NAME")?, variable("CARGO_PKG_VERSION")?))
}

/// What makes rustc warn: on stable, a macro cannot, but what it emits can use something deprecated.
fn warn(warning: &Warning, span: Span) -> TokenStream {
    let text = format!("\n{warning}");
    quote_spanned! { span =>
        const _: () = {
            #[deprecated(note = #text)]
            const WARNING: () = ();
            WARNING
        };
    }
}

fn option(text: Option<&str>) -> TokenStream {
    match text {
        Some(text) => quote! { ::core::option::Option::Some(#text) },
        None => quote! { ::core::option::Option::None },
    }
}

/// The constant `SOURCE`: where a debug build looks for files that were added since.
///
/// A `cfg`, not an `if cfg!`: in a release build the path is gone before rustc sees more of it than tokens.
fn source(directory: &str, files: &str, ignore: &[String]) -> TokenStream {
    quote! {
        #[cfg(debug_assertions)]
        const SOURCE: ::core::option::Option<__whimbrel::Source> = ::core::option::Option::Some(__whimbrel::Source {
            directory: #directory,
            caller: ::core::file!(),
            files: #files,
            ignore: &[#(#ignore),*],
        });
        #[cfg(not(debug_assertions))]
        const SOURCE: ::core::option::Option<__whimbrel::Source> = ::core::option::Option::None;
    }
}

fn not_utf8(directory: &Path) -> Problems {
    let message = format!("the path `{}` is not UTF-8, so rustc cannot be told to watch it", directory.display());
    Problem::new("path-not-utf8", message).help("rename the folder").into()
}
