use plugin_core::Plugin;

#[derive(Plugin)]
struct Nothing;

#[derive(Plugin)]
#[plugin(interfaces())]
struct Empty;

fn main() {
    let _ = (Nothing.into_registry(), Empty.into_registry());
}
