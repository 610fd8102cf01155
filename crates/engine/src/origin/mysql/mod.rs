//! MySQL and MariaDB: sessions that only read, and parameters that no comparison can turn into another value.
//!
//! MySQL compares a text with a number by reading a number off the text's beginning: `id = '42abc'` finds row 42. It
//! does not say what type it wants for a parameter either. So what a parameter is compared with is found out by
//! preparing a probe that selects just that (see `operand`), and where it is a number only a canonical whole number is
//! let through. Parameters are bound as texts, which is exact against numbers in canonical form and against texts,
//! while a number bound to a text column would again find `42abc`.
//!
//! What a column's own collation calls equal (letter case, accents, blanks at the end) is equal here too; a column that
//! changes its type is asked about again within a minute.

mod cell;
mod operand;

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sqlx::mysql::{MySqlArguments, MySqlConnectOptions, MySqlConnection, MySqlDatabaseError, MySqlStatement};
use sqlx::{Arguments, AssertSqlSafe, Column, ConnectOptions, Connection, Executor, SqlSafeStr, Statement, TypeInfo};

pub(super) use self::operand::check;
use super::error::{OriginError, StatementFault, Waiting};
use super::fetched::Row;
use super::parameter::{ParameterKind, canonical_int, is_date};
use super::plans::Plans;
use super::pool::{Asked, Driver, broken};
use super::query::bytes_of;
use super::sql::{Slot, Sql};
use super::{Kind, OriginOptions};

/// MySQL's numbers for errors about the statement itself, whose messages name tables, columns and syntax.
const ABOUT_THE_STATEMENT: [u16; 9] = [1044, 1046, 1052, 1054, 1064, 1142, 1143, 1146, 1305];
/// Given up after the time the session was told: MariaDB's and MySQL's number.
const TIME_EXCEEDED: [u16; 2] = [1969, 3024];
/// The server goes away or an administrator closed the connection.
const GOING_AWAY: [u16; 4] = [1053, 1317, 1927, 4031];

pub(super) struct Mysql {
    options: MySqlConnectOptions,
    statement_timeout_ms: u128,
    plans: Plans<Plan>,
}

/// The form of each placeholder's value, in order.
type Plan = Vec<Form>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Any text.
    Text,
    /// Any bytes.
    Bytes,
    /// A canonical whole number, as a text.
    IntAsText,
    /// A canonical whole number, as a number: where MySQL takes no text, such as LIMIT.
    Int,
    /// A day of the calendar.
    Date,
}

impl Mysql {
    /// `rest` is the address without its scheme, since the driver knows MariaDB by MySQL's.
    pub(super) fn new(rest: &str, options: &OriginOptions) -> Result<Self, OriginError> {
        let parsed = MySqlConnectOptions::from_str(&format!("mysql:{rest}"));
        let mut connect = parsed.map_err(|error| OriginError::Address(error.to_string()))?;
        if let Some(secret) = &options.secret {
            connect = connect.password(secret.reveal());
        }
        let statement_timeout_ms = options.statement_timeout.as_millis().clamp(1, u128::from(u32::MAX));
        Ok(Self { options: connect.disable_statement_logging(), statement_timeout_ms, plans: Plans::new() })
    }

    /// MariaDB counts seconds under one name, MySQL milliseconds under another.
    async fn limit_time(&self, connection: &mut MySqlConnection) -> Result<(), sqlx::Error> {
        let (whole, thousandths) = (self.statement_timeout_ms / 1000, self.statement_timeout_ms % 1000);
        let mariadb = format!("SET SESSION max_statement_time = {whole}.{thousandths:03}");
        match sqlx::raw_sql(AssertSqlSafe(mariadb)).execute(&mut *connection).await {
            Err(sqlx::Error::Database(_)) => {
                let mysql = format!("SET SESSION max_execution_time = {}", self.statement_timeout_ms);
                sqlx::raw_sql(AssertSqlSafe(mysql)).execute(connection).await.map(drop)
            }
            outcome => outcome.map(drop),
        }
    }

    async fn run(
        &self,
        connection: &mut MySqlConnection,
        plan: &Plan,
        asked: Asked<'_>,
    ) -> Result<Option<Vec<Row>>, OriginError> {
        let Some(arguments) = arguments(plan, asked)? else { return Ok(None) };
        asked.statements.fetch_add(1, Ordering::Relaxed);
        let text = asked.sql.render(|_| "?".to_owned());
        let rows = sqlx::query_with(AssertSqlSafe(text), arguments).fetch_all(connection).await.map_err(fault)?;
        rows.iter().map(cell::row).collect::<Result<Vec<Row>, _>>().map(Some)
    }

    async fn described(&self, connection: &mut MySqlConnection, asked: Asked<'_>) -> Result<Arc<Plan>, OriginError> {
        let mut plan = Plan::with_capacity(asked.sql.slots.len());
        for slot in &asked.sql.slots {
            plan.push(match asked.sql.parameters[slot.parameter].kind {
                ParameterKind::Int if operand::is_bare_number(asked.sql, slot) => Form::Int,
                ParameterKind::Int => Form::IntAsText,
                ParameterKind::Text => self.probed(connection, asked.sql, slot).await?,
            });
        }
        Ok(self.plans.keep(asked.sql, plan))
    }

    async fn probed(&self, connection: &mut MySqlConnection, sql: &Sql, slot: &Slot) -> Result<Form, OriginError> {
        let unclear = |wants: &str| {
            let name = sql.parameters[slot.parameter].name.clone();
            OriginError::Query(StatementFault::Parameter { name, wants: wants.to_owned() })
        };
        if operand::is_always_text(sql, slot) {
            return Ok(Form::Text);
        }
        let probe = operand::probe(sql, slot).ok_or_else(|| unclear("comparison with one column"))?;
        let statement = match connection.prepare(AssertSqlSafe(probe).into_sql_str()).await {
            Ok(statement) => statement,
            Err(error) => return Err(fault(error)),
        };
        let type_name = type_of_the_only_column(&statement).ok_or_else(|| unclear("comparison with one column"))?;
        form_for(&type_name).ok_or_else(|| unclear(&type_name))
    }
}

fn type_of_the_only_column(statement: &MySqlStatement) -> Option<String> {
    match statement.columns() {
        [column] => Some(column.type_info().name().to_owned()),
        _ => None,
    }
}

/// Comparisons with fractions, floats and moments are not exact by text, so no key is bound to them.
fn form_for(type_name: &str) -> Option<Form> {
    match type_name {
        "CHAR" | "VARCHAR" | "TEXT" | "TINYTEXT" | "MEDIUMTEXT" | "LONGTEXT" | "ENUM" | "SET" => Some(Form::Text),
        "BINARY" | "VARBINARY" | "BLOB" | "TINYBLOB" | "MEDIUMBLOB" | "LONGBLOB" => Some(Form::Bytes),
        "DATE" => Some(Form::Date),
        "BOOLEAN" | "YEAR" => Some(Form::IntAsText),
        name if name.contains("INT") => Some(Form::IntAsText),
        _ => None,
    }
}

/// The arguments for a key; `None` when no row can have it.
fn arguments(plan: &Plan, asked: Asked<'_>) -> Result<Option<MySqlArguments>, OriginError> {
    let mut arguments = MySqlArguments::default();
    for (form, slot) in plan.iter().zip(&asked.sql.slots) {
        let parameter = &asked.sql.parameters[slot.parameter];
        let bytes = bytes_of(asked.params, &parameter.name);
        if parameter.kind == ParameterKind::Int && canonical_int(bytes).is_none() {
            return Ok(None);
        }
        let added = match form {
            Form::Bytes => arguments.add(bytes.to_vec()),
            Form::Int => match canonical_int(bytes) {
                Some(number) => arguments.add(number),
                None => return Ok(None),
            },
            Form::Text | Form::IntAsText | Form::Date => match text(*form, bytes) {
                Some(text) => arguments.add(text),
                None => return Ok(None),
            },
        };
        added.map_err(|_| OriginError::Query(StatementFault::Running { code: "unsendable parameter".to_owned() }))?;
    }
    Ok(Some(arguments))
}

fn text(form: Form, bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let fits = match form {
        Form::IntAsText | Form::Int => canonical_int(bytes).is_some(),
        Form::Date => is_date(text),
        Form::Text | Form::Bytes => true,
    };
    fits.then(|| text.to_owned())
}

impl Driver for Mysql {
    type Connection = MySqlConnection;
    const KIND: Kind = Kind::Mysql;

    async fn connect(&self) -> Result<MySqlConnection, OriginError> {
        let mut connection = MySqlConnection::connect_with(&self.options).await.map_err(connect_fault)?;
        let session = "SET SESSION TRANSACTION READ ONLY; SET SESSION sql_select_limit = 2";
        sqlx::raw_sql(session).execute(&mut connection).await.map_err(connect_fault)?;
        self.limit_time(&mut connection).await.map_err(connect_fault)?;
        Ok(connection)
    }

    async fn rows<'a>(
        &'a self,
        connection: &'a mut MySqlConnection,
        asked: Asked<'a>,
    ) -> Result<Option<Vec<Row>>, OriginError> {
        let plan = match self.plans.get(asked.sql) {
            Some(plan) => plan,
            None => self.described(connection, asked).await?,
        };
        self.run(connection, &plan, asked).await
    }
}

fn connect_fault(error: sqlx::Error) -> OriginError {
    OriginError::Connect(match error {
        sqlx::Error::Database(error) => {
            let number = error.try_downcast_ref::<MySqlDatabaseError>().map_or(0, MySqlDatabaseError::number);
            format!("refused by the database, error {number}")
        }
        error => error.to_string(),
    })
}

fn fault(error: sqlx::Error) -> OriginError {
    let sqlx::Error::Database(error) = error else { return broken(&error) };
    let number = error.try_downcast_ref::<MySqlDatabaseError>().map_or(0, MySqlDatabaseError::number);
    let code = format!("{number}, SQLSTATE {}", error.code().unwrap_or_default());
    if TIME_EXCEEDED.contains(&number) {
        OriginError::Timeout(Waiting::Answer)
    } else if GOING_AWAY.contains(&number) {
        OriginError::Lost
    } else if ABOUT_THE_STATEMENT.contains(&number) {
        OriginError::Query(StatementFault::Statement { code, message: error.message().to_owned() })
    } else {
        OriginError::Query(StatementFault::Running { code })
    }
}
