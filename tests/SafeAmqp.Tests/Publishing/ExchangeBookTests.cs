using SafeAmqp.Actor;
using SafeAmqp.Publishing;

namespace SafeAmqp.Tests.Publishing;

public sealed class ExchangeBookTests
{
    private readonly List<string> _asked = [];
    private readonly ExchangeBook _book;

    public ExchangeBookTests() => _book = new ExchangeBook(_asked.Add);

    [Fact]
    public void The_default_exchange_is_always_there()
    {
        Assert.Equal(ExchangeAnswer.Present, Ask(""));
        Assert.Empty(_asked);
    }

    [Fact]
    public void An_exchange_is_asked_for_once_and_remembered_until_the_link_is_lost()
    {
        Assert.Equal(ExchangeAnswer.BeingChecked, Ask("a"));
        Assert.Equal(ExchangeAnswer.BeingChecked, Ask("a"));
        Assert.Equal(["a"], _asked);
        _book.Checked("a", present: true);
        Assert.Equal(ExchangeAnswer.Present, Ask("a"));
        _book.Forget();
        Assert.Equal(ExchangeAnswer.BeingChecked, Ask("a"));
        Assert.Equal(["a", "a"], _asked);
    }

    [Fact]
    public void A_question_whose_link_is_lost_is_asked_again()
    {
        Ask("a");
        _book.Forget();
        Assert.Equal(ExchangeAnswer.BeingChecked, Ask("a"));
        Assert.Equal(2, _asked.Count);
    }

    [Fact]
    public void An_exchange_that_was_not_there_is_asked_for_each_time()
    {
        Ask("a");
        _book.Checked("a", present: false);
        Assert.Equal(ExchangeAnswer.BeingChecked, Ask("a"));
        Assert.Equal(2, _asked.Count);
    }

    [Fact]
    public void A_publish_that_found_it_gone_makes_it_unknown_again()
    {
        _book.Checked("a", present: true);
        _book.Learn(To("a"), new CloseReason(404, "NOT_FOUND", ByBroker: true), now: 0);
        Assert.Equal(ExchangeAnswer.BeingChecked, Ask("a"));
    }

    [Fact]
    public void A_refusal_of_access_is_repeated_for_a_second_without_asking()
    {
        var end = new CloseReason(403, "ACCESS_REFUSED", ByBroker: true);
        _book.Checked("a", present: true);
        _book.Learn(To("a"), end, now: 0);
        Assert.Equal(
            ExchangeAnswer.Refused, _book.Ask(To("a"), TimeSpan.FromSeconds(1).Ticks - 1, out CloseReason? refusal));
        Assert.Same(end, refusal);
        Assert.Equal(ExchangeAnswer.Present, _book.Ask(To("a"), TimeSpan.FromSeconds(1).Ticks, out refusal));
        Assert.Null(refusal);
        Assert.Empty(_asked);
    }

    [Fact]
    public void Names_without_end_do_not_grow_it_without_bound()
    {
        for (int i = 0; i < 5_000; i++)
            _book.Checked($"exchange-{i}", present: true);
        Assert.Equal(ExchangeAnswer.Present, Ask("exchange-4999"));
        Assert.Equal(ExchangeAnswer.BeingChecked, Ask("exchange-0"));
    }

    [Fact]
    public void Where_access_goes_by_topic_a_refusal_is_about_its_key_alone()
    {
        _book.Checked("a", present: true);
        _book.Learn(To("a", "secret"), new CloseReason(403, "ACCESS_REFUSED - write access to topic 'secret' "
            + "in exchange 'a' in vhost '/' refused", ByBroker: true), now: 0);
        Assert.Equal(ExchangeAnswer.Refused, _book.Ask(To("a", "secret"), 1, out _));
        Assert.Equal(ExchangeAnswer.Present, _book.Ask(To("a", "public"), 1, out _));
    }

    [Fact]
    public void A_size_that_the_broker_refused_is_not_tried_again_on_its_link()
    {
        var end = new CloseReason(
            406, "PRECONDITION_FAILED - message size 200 is larger than configured max size 100", ByBroker: true);
        _book.Learn(To("", size: 200), end, now: 0);
        Assert.Equal(ExchangeAnswer.Refused, _book.Ask(To("", size: 101), 1, out CloseReason? refusal));
        Assert.Same(end, refusal);
        Assert.Equal(ExchangeAnswer.Present, _book.Ask(To("", size: 100), 1, out _));
        _book.Forget();
        Assert.Equal(ExchangeAnswer.Present, _book.Ask(To("", size: 101), 1, out _));
    }

    private static AmqpMessage To(string exchange, string key = "", int size = 0)
        => AmqpMessage.ToExchange(exchange, key, new byte[size]);

    private ExchangeAnswer Ask(string exchange) => _book.Ask(To(exchange), 0, out _);
}
