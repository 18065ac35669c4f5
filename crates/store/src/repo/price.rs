//! Prices that were set here. One is never changed: a later one takes its place from its moment on, and what
//! was booked keeps the price it was booked with.

use std::{collections::BTreeMap, sync::Arc};

use diesel::{
    BoolExpressionMethods, ExpressionMethods, Insertable, OptionalExtension, QueryDsl, Queryable,
    RunQueryDsl, dsl::insert_into,
};
use nexus_core::{
    id::{ProviderId, Uuid},
    price::{Dated, Kind, MULTIPLIER_MAX_PPM, Price, Rate, Rates, Scope},
};

use crate::{
    connection::AnyConnection,
    error::StoreError,
    repo::Page,
    row::{Reading, page_of, readable},
    schema::prices,
};

/// A price as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPrice {
    pub id: Uuid,
    /// The provider's name of the model.
    pub real_model: String,
    /// `None`: wherever the model is had.
    pub provider: Option<ProviderId>,
    /// `None`: in every region.
    pub region: Option<String>,
    pub kind: Kind,
    pub rates: Vec<Rate>,
    pub per_request_nano_usd: u64,
    pub is_free: bool,
    pub multiplier_ppm: Option<u64>,
    pub valid_from_ms: i64,
    pub created_at_ms: i64,
}

/// Which prices are wanted; all that is said must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub real_model: Option<String>,
    pub provider: Option<ProviderId>,
}

#[derive(Queryable, Insertable)]
#[diesel(table_name = prices, treat_none_as_default_value = false)]
pub(crate) struct PriceRow {
    id: String,
    real_model_name: String,
    provider_id: Option<String>,
    rates: String,
    per_request_nano_usd: i64,
    is_free: bool,
    multiplier_ppm: Option<i64>,
    valid_from: i64,
    created_at: i64,
    region: Option<String>,
    kind: String,
}

impl PriceRow {
    pub(crate) fn read(self) -> Result<StoredPrice, StoreError> {
        let row = Reading { table: "prices", id: &self.id };
        let rates = self.rates.split_whitespace().map(str::parse).collect::<Result<Vec<Rate>, _>>();
        let number =
            |column, number: i64| u64::try_from(number).map_err(|_| row.problem(column, "is negative"));
        let multiplier_ppm = self.multiplier_ppm.map(|ppm| number("multiplier_ppm", ppm)).transpose()?;
        if multiplier_ppm.is_some_and(|ppm| ppm > MULTIPLIER_MAX_PPM) {
            return Err(row.problem("multiplier_ppm", "is out of range"));
        }
        Ok(StoredPrice {
            id: row.id("id", &self.id)?,
            provider: row.id_or_none("provider_id", self.provider_id.as_deref())?,
            region: self.region,
            kind: Kind::from_word(&self.kind).ok_or_else(|| row.problem("kind", "is no kind of price"))?,
            rates: rates.map_err(|error| row.problem("rates", error))?,
            per_request_nano_usd: number("per_request_nano_usd", self.per_request_nano_usd)?,
            multiplier_ppm,
            real_model: self.real_model_name,
            is_free: self.is_free,
            valid_from_ms: self.valid_from,
            created_at_ms: self.created_at,
        })
    }
}

impl StoredPrice {
    /// Whether it is for the same and says the same, whenever it was set.
    pub fn says_the_same(&self, other: &StoredPrice) -> bool {
        let Self { id, valid_from_ms, created_at_ms, .. } = *self;
        *self == StoredPrice { id, valid_from_ms, created_at_ms, ..other.clone() }
    }

    /// What it is for beside the model.
    pub fn scope(&self) -> Scope {
        Scope { provider: self.provider, region: self.region.as_deref().map(Into::into) }
    }

    /// As it prices.
    pub fn dated(&self) -> Dated {
        let rule = format!("price/{}", self.id);
        let rates = Rates::new(rule, self.rates.iter().copied(), self.per_request_nano_usd);
        Dated {
            kind: self.kind,
            valid_from_ms: self.valid_from_ms,
            known_from_ms: self.created_at_ms,
            price: if self.is_free { Price::Free } else { Price::Known(Arc::new(rates)) },
            multiplier_ppm: self.multiplier_ppm,
        }
    }
}

/// Stores a new price.
pub fn create(conn: &mut AnyConnection, price: &StoredPrice) -> Result<(), StoreError> {
    let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let rates: Vec<String> = price.rates.iter().map(Rate::to_string).collect();
    let row = PriceRow {
        id: price.id.to_string(),
        real_model_name: price.real_model.clone(),
        provider_id: price.provider.map(|provider| provider.to_string()),
        rates: rates.join(" "),
        per_request_nano_usd: whole(price.per_request_nano_usd),
        is_free: price.is_free,
        multiplier_ppm: price.multiplier_ppm.map(whole),
        valid_from: price.valid_from_ms,
        created_at: price.created_at_ms,
        region: price.region.clone(),
        kind: price.kind.as_str().to_owned(),
    };
    insert_into(prices::table).values(row).execute(conn)?;
    Ok(())
}

/// Every price; damaged rows are logged and left out.
pub fn list(conn: &mut AnyConnection) -> Result<Vec<StoredPrice>, StoreError> {
    Ok(readable(prices::table.order((prices::created_at, prices::id)).load(conn)?, PriceRow::read))
}

/// Of each scope and kind the price that holds at this moment.
pub fn in_force(conn: &mut AnyConnection, now_ms: i64) -> Result<Vec<StoredPrice>, StoreError> {
    let mut latest: BTreeMap<_, StoredPrice> = BTreeMap::new();
    for price in list(conn)?.into_iter().filter(|price| price.valid_from_ms <= now_ms) {
        let provider = price.provider.map(|provider| provider.to_string());
        let of = (price.real_model.clone(), provider, price.region.clone(), price.kind.as_str());
        let moment = |price: &StoredPrice| (price.valid_from_ms, price.created_at_ms);
        if latest.get(&of).is_none_or(|known| moment(known) <= moment(&price)) {
            latest.insert(of, price);
        }
    }
    Ok(latest.into_values().collect())
}

/// The prices of a page, oldest first; damaged rows are logged and left out.
pub fn page(conn: &mut AnyConnection, filter: &Filter, page: &Page) -> Result<Vec<StoredPrice>, StoreError> {
    use prices::dsl as row;
    let load = |page: &Page| {
        let mut query = row::prices.into_boxed().order((row::created_at, row::id)).limit(page.limit.into());
        if let Some((at, id)) = &page.after {
            query = query.filter(row::created_at.gt(*at).or(row::created_at.eq(*at).and(row::id.gt(id))));
        }
        if let Some(model) = &filter.real_model {
            query = query.filter(row::real_model_name.eq(model));
        }
        if let Some(provider) = filter.provider {
            query = query.filter(row::provider_id.eq(provider.to_string()));
        }
        Ok(query.load(conn)?)
    };
    page_of(page, load, |row: &PriceRow| (row.created_at, row.id.clone()), PriceRow::read)
}

/// The price of this id.
pub fn show(conn: &mut AnyConnection, id: Uuid) -> Result<Option<StoredPrice>, StoreError> {
    let row: Option<PriceRow> = prices::table.find(id.to_string()).first(conn).optional()?;
    row.map(PriceRow::read).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{exec::Store, repo::provider, sample};

    fn price(number: u64) -> StoredPrice {
        StoredPrice {
            id: sample::uuid(number),
            real_model: "gpt-4".to_owned(),
            provider: None,
            region: Some("eu".to_owned()),
            kind: Kind::Relative,
            rates: vec!["input=1".parse().unwrap(), "output@batch+5=2".parse().unwrap()],
            per_request_nano_usd: 3,
            is_free: false,
            multiplier_ppm: Some(900_000),
            valid_from_ms: -4,
            created_at_ms: 5,
        }
    }

    #[test]
    fn a_price_is_shown_as_it_was_set_and_found_by_what_it_is_for() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let stored = sample::provider(7, "one");
        let own = StoredPrice { provider: Some(stored.id), rates: vec![], is_free: true, ..price(2) };
        store
            .write_blocking(|conn| {
                provider::create(conn, &stored)?;
                create(conn, &price(1))?;
                create(conn, &own)
            })
            .unwrap();
        let show = |number| store.read_blocking(|conn| show(conn, sample::uuid(number))).unwrap();
        assert_eq!((show(1), show(2), show(3)), (Some(price(1)), Some(own.clone()), None));
        let page = |filter: &Filter| {
            store.read_blocking(|conn| page(conn, filter, &Page { after: None, limit: 9 })).unwrap()
        };
        let of = Filter { provider: Some(stored.id), ..Filter::default() };
        assert_eq!(page(&of), std::slice::from_ref(&own));
        assert_eq!(page(&Filter { real_model: Some("x".into()), ..of }), []);
        assert_eq!(store.read_blocking(list).unwrap().len(), 2);
        assert_eq!(own.dated().price, Price::Free);
        assert_eq!(price(1).dated().known_from_ms, 5);
    }
}
