//! PostgreSQL: sessions that only read, and statements whose every column comes back as text.
//!
//! A statement is first described as written, which tells the types of its placeholders and columns. What is then run
//! is that statement inside another one that has the server turn each column into text or JSON by its own rules, so
//! that every type it knows, extensions' included, works here without a decoder. The outer statement also stops after
//! two rows, and nothing that writes can stand inside it.

mod parameter;
mod plan;

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, SqlSafeStr};

use self::plan::Plan;
use super::error::{OriginError, StatementFault, Waiting};
use super::fetched::Row;
use super::plans::Plans;
use super::pool::{Asked, Driver, broken};
use super::{Kind, OriginOptions};

/// A result of another type than the prepared statement promised: the schema changed.
const CHANGED_RESULT: &str = "0A000";
/// The server gave up on a statement as it was told to.
const QUERY_CANCELED: &str = "57014";

pub(super) struct Postgres {
    options: PgConnectOptions,
    session: String,
    plans: Plans<Plan>,
}

impl Postgres {
    pub(super) fn new(url: &str, options: &OriginOptions) -> Result<Self, OriginError> {
        let mut connect = PgConnectOptions::from_str(url).map_err(|error| OriginError::Address(error.to_string()))?;
        if let Some(secret) = &options.secret {
            connect = connect.password(secret.reveal());
        }
        let session = format!(
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY; SET statement_timeout = {}",
            options.statement_timeout.as_millis().clamp(1, i32::MAX as u128)
        );
        let connect = connect.application_name("failsoft").disable_statement_logging();
        Ok(Self { options: connect, session, plans: Plans::new() })
    }

    async fn run(
        &self,
        connection: &mut PgConnection,
        plan: &Plan,
        asked: Asked<'_>,
    ) -> Result<Option<Vec<Row>>, OriginError> {
        let Some(arguments) = plan.arguments(asked.params)? else { return Ok(None) };
        asked.statements.fetch_add(1, Ordering::Relaxed);
        let statement = sqlx::query_with(AssertSqlSafe(Arc::clone(&plan.statement)), arguments);
        let rows = statement.fetch_all(connection).await.map_err(fault)?;
        rows.iter().map(|row| plan.row(row)).collect::<Result<Vec<Row>, _>>().map(Some).map_err(fault)
    }

    async fn described(&self, connection: &mut PgConnection, asked: Asked<'_>) -> Result<Arc<Plan>, OriginError> {
        connection.clear_cached_statements().await.map_err(fault)?;
        let text = plan::as_written(asked.sql);
        let statement = connection.prepare(AssertSqlSafe(text).into_sql_str()).await.map_err(fault)?;
        let plan = Plan::new(asked.sql, asked.shape, &statement)?;
        Ok(self.plans.keep(asked.sql, plan))
    }
}

impl Driver for Postgres {
    type Connection = PgConnection;
    const KIND: Kind = Kind::Postgres;

    async fn connect(&self) -> Result<PgConnection, OriginError> {
        let mut connection = PgConnection::connect_with(&self.options).await.map_err(connect_fault)?;
        sqlx::raw_sql(AssertSqlSafe(self.session.clone())).execute(&mut connection).await.map_err(connect_fault)?;
        Ok(connection)
    }

    async fn rows<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        asked: Asked<'a>,
    ) -> Result<Option<Vec<Row>>, OriginError> {
        if let Some(plan) = self.plans.get(asked.sql) {
            match self.run(connection, &plan, asked).await {
                Err(error) if may_be_outdated(&error) => self.plans.forget(asked.sql),
                outcome => return outcome,
            }
        }
        let plan = self.described(connection, asked).await?;
        self.run(connection, &plan, asked).await
    }
}

fn may_be_outdated(error: &OriginError) -> bool {
    let OriginError::Query(fault) = error else { return false };
    match fault {
        StatementFault::Statement { .. } => true,
        StatementFault::Running { code } => code == CHANGED_RESULT,
        StatementFault::Parameter { .. } => false,
    }
}

fn connect_fault(error: sqlx::Error) -> OriginError {
    OriginError::Connect(match error {
        sqlx::Error::Database(error) => format!("refused by the database, code {}", error.code().unwrap_or_default()),
        error => error.to_string(),
    })
}

/// Class 42 is about the statement: its messages name tables, columns and syntax. Class 57P is the server going away.
fn fault(error: sqlx::Error) -> OriginError {
    let sqlx::Error::Database(error) = error else { return broken(&error) };
    let code = error.code().unwrap_or_default().into_owned();
    if code == QUERY_CANCELED {
        OriginError::Timeout(Waiting::Answer)
    } else if code.starts_with("57P") {
        OriginError::Lost
    } else if code.starts_with("42") {
        OriginError::Query(StatementFault::Statement { code, message: error.message().to_owned() })
    } else {
        OriginError::Query(StatementFault::Running { code })
    }
}
