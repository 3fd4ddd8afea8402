fn main() {
    let seed: u64 = std::env::args().nth(1).unwrap().parse().unwrap();
    let mut w = lapwing_sim::world::World::new(seed, None);
    let r = lapwing_sim::run::play(&mut w);
    println!("{r:?}");
    for n in &w.nodes {
        let f = &n.view.federation;
        println!(
            "{} {:?} up {} marked {} head {:?} doubt {:?} confirmed {} standing {:?} digest {} reached {}",
            n.name(),
            n.role,
            n.up,
            n.marked,
            n.engine.head(),
            n.engine.clock_doubt(),
            n.view.confirmed(),
            n.view.my_standing(),
            n.view.digest.short(),
            n.view.reached.len()
        );
        for p in f.full_agencies() {
            let c = f.listing(&p).and_then(|l| l.checkpoint.as_ref());
            println!(
                "    {} checkpoint {:?} reached {:?}",
                w.nodes[w.index[&p]].name(),
                c.map(|c| c.record.state.short()),
                c.map(|c| n.view.reached.contains(&c.record.state))
            );
        }
    }
}
