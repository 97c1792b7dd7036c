use plugin_core::plugin_interface;

#[plugin_interface]
struct Greeter {
    name: String,
}

fn main() {
    let _ = Greeter { name: String::new() };
}
