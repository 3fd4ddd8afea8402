//! `lapwing joint`: joint cases. The lead plans for each agency in the case it has with it; each sees its own tasks.

use super::Ctx;
use super::case::{participant, say};
use super::fail::{Done, wrong};
use super::node::{Query, items, typed};
use super::out::{one_line, or_dash, short};
use clap::{Args, Subcommand};
use lapwing_api::ops::Op;
use lapwing_api::problem::{Code, Problem};
use lapwing_api::types::{
    IdentityView, JointDetail, JointPart, JointRow, Name, ReferralDetail, Saying, TaskCounts, TaskView,
};
use lapwing_record::id::{Digest, Pid};
use lapwing_record::statement::{JointPlan, JointTask, PlannedTask, TaskState};
use serde_json::Value;

/// Joint cases: one lead, tasks for each agency, everything in the pairwise cases; each agency sees its own part.
#[derive(Debug, Subcommand)]
pub enum Joint {
    /// Plans for the other side of a case: begins a joint case, brings one more agency into it, or changes its tasks.
    #[command(after_help = "Examples:
  lapwing joint plan 4k3mzx7q --joint new --title 'Prize mails' --task 'Find who rents 192.0.2.7' --needed-by 2027-03-31
  lapwing joint plan pf6wq2ab --joint 7hd2kz4m --task 'Preserve the logs of the host' --disclose polder
  lapwing joint plan 4k3mzx7q --joint 7hd2kz4m --task 'Ask the bank' --drop 1

One plan for each agency: it learns its own tasks, and of the others only whom --disclose names. The whole plan is said
anew each time; what is not changed stays as it was.")]
    Plan(Plan),
    /// Says how far a task of ours is.
    #[command(after_help = "Examples:
  lapwing joint task 4k3mzx7q --joint 7hd2kz4m --n 1 --state taken
  lapwing joint task 4k3mzx7q --joint 7hd2kz4m --n 1 --state done --note 'A company in the north.'

States: taken, in_progress, done, declined.")]
    Task(Task),
    /// Lists joint cases that this agency leads or takes part in.
    #[command(after_help = "Examples:\n  lapwing joint list\n  lapwing joint list --json")]
    List,
    /// Shows one: for its lead every agency's tasks, for a member its own.
    #[command(after_help = "Examples:\n  lapwing joint show 7hd2kz4m")]
    Show {
        /// The joint case: at least 8 characters of its id.
        #[arg(value_name = "ID")]
        joint: String,
        /// Who leads it, where more than one participant claims to.
        #[arg(long, value_name = "NAME")]
        lead: Option<String>,
    },
}

/// A plan for one agency.
#[derive(Debug, Args)]
pub struct Plan {
    /// The case with the agency.
    thread: String,
    /// The joint case: at least 8 characters of its id; `new` begins one.
    #[arg(long, value_name = "ID|new")]
    joint: String,
    /// How it is called; a new one needs it.
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// A task that is added for this agency; repeatable.
    #[arg(long, value_name = "TEXT")]
    task: Vec<String>,
    /// The day by which the tasks that are added are needed.
    #[arg(long, value_name = "DAY")]
    needed_by: Option<String>,
    /// The number of a task that is dropped.
    #[arg(long, value_name = "N")]
    drop: Vec<u64>,
    /// Another agency that is named to this one.
    #[arg(long, value_name = "NAME")]
    disclose: Vec<String>,
    /// A note to this agency.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

/// A report.
#[derive(Debug, Args)]
pub struct Task {
    /// The case with the lead.
    thread: String,
    /// The joint case: at least 8 characters of its id.
    #[arg(long, value_name = "ID")]
    joint: String,
    /// The task's number.
    #[arg(long, value_name = "N")]
    n: u64,
    /// taken, in_progress, done or declined.
    #[arg(long)]
    state: TaskState,
    /// In words.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

fn pid(text: &str) -> Result<Pid, Problem> {
    text.parse().map_err(|e| wrong(format!("{e}")))
}

fn joint_id(text: &str) -> Result<Digest, Problem> {
    text.parse().map_err(|e| wrong(format!("{e}")))
}

/// The joint case that `joint` stands for, and what stands of it in the case that `thread` stands for. It is led by
/// `lead`; by the other side of the case where that is left out.
fn find(ctx: &Ctx, joint: &str, thread: &str, lead: Option<&str>) -> Result<(JointDetail, Option<JointPart>), Problem> {
    let node = ctx.node()?;
    let case: ReferralDetail = node.read(Op::Referral, &[thread], &Vec::new())?;
    let lead = lead.map_or(case.row.with.pid, str::to_owned);
    let detail: JointDetail = node.read(Op::Joint, &[joint], &vec![("lead", lead)])?;
    let part = detail.parts.iter().find(|part| part.thread == case.row.thread).cloned();
    Ok((detail, part))
}

/// The plan that is said so far, and the number of the next task; `new` and an agency that is new to it begin empty.
fn before(ctx: &Ctx, joint: &str, thread: &str) -> Result<(JointPlan, u64), Problem> {
    let empty = |joint, title| JointPlan { joint, version: 1, title, tasks: vec![], disclosed: vec![], note: None };
    if joint == "new" {
        let mut id = [0; 32];
        getrandom::fill(&mut id).map_err(|e| Problem::new(Code::Internal, format!("no randomness: {e}")))?;
        return Ok((empty(Digest(id), String::new()), 1));
    }
    let me: IdentityView = ctx.node()?.read(Op::Identity, &[], &Vec::new())?;
    let (detail, part) = find(ctx, joint, thread, Some(&me.name.pid))?;
    let joint = joint_id(&detail.row.id)?;
    let title = detail.row.title.unwrap_or_default();
    let Some(part) = part else { return Ok((empty(joint, title), 1)) };
    let task = |t: &TaskView| {
        let gone = || wrong(format!("the text of task {} cannot be read here any more", t.n));
        let what = t.what.clone().ok_or_else(gone)?;
        Ok(PlannedTask { n: t.n, what, needed_by: t.needed_by.clone() })
    };
    let plan = JointPlan {
        joint,
        version: part.version + 1,
        title,
        tasks: part.tasks.iter().map(task).collect::<Result<_, Problem>>()?,
        disclosed: part.disclosed.iter().map(|name| pid(&name.pid)).collect::<Result<_, _>>()?,
        note: part.note,
    };
    Ok((plan, part.next_task))
}

impl Plan {
    fn run(self, ctx: &Ctx) -> Done {
        let (mut plan, next) = before(ctx, &self.joint, &self.thread)?;
        for n in &self.drop {
            if !plan.tasks.iter().any(|t| t.n == *n) {
                return Err(wrong(format!("`--drop`: the plan for this agency has no task {n}"))
                    .hint("`lapwing joint show ID` lists its tasks."));
            }
        }
        plan.tasks.retain(|t| !self.drop.contains(&t.n));
        plan.tasks.extend((next..).zip(self.task).map(|(n, what)| PlannedTask {
            n,
            what,
            needed_by: self.needed_by.clone(),
        }));
        plan.title = self.title.unwrap_or(plan.title);
        if plan.title.is_empty() {
            return Err(wrong("a new joint case needs a title").hint("Give it one: --title 'Prize mails'"));
        }
        let named: Result<Vec<Pid>, Problem> = self.disclose.iter().map(|name| participant(ctx, name)).collect();
        plan.disclosed.extend(named?);
        plan.disclosed.sort_unstable();
        plan.disclosed.dedup();
        plan.note = self.note.or(plan.note);
        let (joint, version, tasks) = (plan.joint.to_string(), plan.version, plan.tasks.len());
        let mut value: Value = ctx.node()?.call(Op::Say, &[&self.thread], &Saying::JointPlan { body: plan })?;
        if let Some(said) = value.as_object_mut() {
            said.insert("joint".into(), joint.clone().into());
            said.insert("version".into(), version.into());
        }
        ctx.out.answer(&value, || {
            ctx.out.line(format!("joint case {joint}"));
            ctx.out.line(format!(
                "version {version} of the plan for this agency, {tasks} tasks: durable here and on its way"
            ));
        });
        Ok(())
    }
}

impl Task {
    fn run(self, ctx: &Ctx) -> Done {
        let (detail, _) = find(ctx, &self.joint, &self.thread, None)?;
        let body = JointTask { joint: joint_id(&detail.row.id)?, n: self.n, state: self.state, note: self.note };
        say(ctx, &self.thread, &Saying::JointTask { body }, "told")
    }
}

/// Tasks by how far they are, those that there are.
fn counted(counts: &TaskCounts) -> String {
    let all = [
        ("planned", counts.planned),
        ("taken", counts.taken),
        ("in progress", counts.in_progress),
        ("done", counts.done),
        ("declined", counts.declined),
    ];
    let some: Vec<String> = all.iter().filter(|(_, n)| *n > 0).map(|(what, n)| format!("{n} {what}")).collect();
    if some.is_empty() { "-".into() } else { some.join(", ") }
}

fn list(ctx: &Ctx) -> Done {
    let list = ctx.node()?.list(Op::Joints, &[], &Vec::new())?;
    if ctx.out.json {
        ctx.out.value(&list);
        return Ok(());
    }
    let row = |r: JointRow| {
        let agencies: Vec<String> = r.agencies.into_iter().map(|a| a.short_name).collect();
        vec![short(&r.id), or_dash(&r.title), r.lead.short_name, r.part, agencies.join(", "), counted(&r.tasks)]
    };
    let header = ["id", "title", "lead", "part", "agencies", "tasks"];
    ctx.out.table(&header, items(&list)?.into_iter().map(row).collect(), "no joint cases");
    Ok(())
}

fn show(ctx: &Ctx, joint: &str, lead: Option<String>) -> Done {
    let query: Query<'_> = lead.map(|name| ("lead", name)).into_iter().collect();
    let value: Value = ctx.node()?.read(Op::Joint, &[joint], &query)?;
    if ctx.out.json {
        ctx.out.value(&value);
        return Ok(());
    }
    let detail: JointDetail = typed(&value)?;
    let names = |names: &[Name]| match names.is_empty() {
        true => "-".to_owned(),
        false => names.iter().map(|n| n.short_name.clone()).collect::<Vec<_>>().join(", "),
    };
    ctx.out.line(format!("joint case {}", detail.row.id));
    ctx.out.line(format!("title: {}", one_line(&or_dash(&detail.row.title))));
    ctx.out.line(format!("lead: {}; our part: {}", detail.row.lead.short_name, detail.row.part));
    ctx.out.line(format!("agencies known here: {}", names(&detail.row.agencies)));
    for part in &detail.parts {
        ctx.out.line("");
        let with = &part.with.short_name;
        ctx.out.line(format!("with {with}, case {} ({}), version {}", short(&part.thread), part.stage, part.version));
        ctx.out.line(format!("disclosed: {}", names(&part.disclosed)));
        if let Some(note) = &part.note {
            ctx.out.line(format!("note: {}", one_line(note)));
        }
        if let Some(rule) = &part.withheld {
            ctx.out.line(format!("withheld: {rule}"));
        }
        let row = |t: &TaskView| {
            let late = if t.overdue { " (overdue)" } else { "" };
            let by = t.needed_by.as_ref().map(|day| format!("{day}{late}"));
            vec![t.n.to_string(), or_dash(&t.what), or_dash(&by), t.state.clone(), or_dash(&t.note)]
        };
        ctx.out.table(&["n", "task", "needed by", "state", "said"], part.tasks.iter().map(row).collect(), "no tasks");
    }
    Ok(())
}

impl Joint {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        match self {
            Joint::Plan(p) => p.run(ctx),
            Joint::Task(t) => t.run(ctx),
            Joint::List => list(ctx),
            Joint::Show { joint, lead } => show(ctx, &joint, lead),
        }
    }
}
