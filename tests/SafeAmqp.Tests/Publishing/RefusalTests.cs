using SafeAmqp.Actor;
using SafeAmqp.Publishing;
using static SafeAmqp.Tests.Publishing.Jobs;

namespace SafeAmqp.Tests.Publishing;

public sealed class RefusalTests
{
    private static readonly OutgoingJob Plain = Job();
    private static readonly OutgoingJob Shop = Job(exchange: "shop");
    private static readonly OutgoingJob Orders = Job(exchange: "orders");
    private static readonly OutgoingJob OrdersToo = Job(exchange: "orders");
    private static readonly OutgoingJob Guest = Job(userId: "guest");
    private static readonly OutgoingJob Mallory = Job(userId: "mallory");

    [Theory]
    [InlineData(404, "NOT_FOUND - no exchange 'orders' in vhost '/'")]
    [InlineData(404, "NOT_FOUND - no exchange 'orders' in vhost 'shop'")]
    [InlineData(403, "ACCESS_REFUSED - access to exchange 'orders' in vhost 'shop' refused for user 'guest'")]
    [InlineData(403, "ACCESS_REFUSED - write access to exchange 'orders' in vhost 'shop' refused for user 'guest'")]
    [InlineData(403, "ACCESS_REFUSED - cannot publish to internal exchange 'orders' in vhost 'shop'")]
    public void The_one_that_names_the_exchange_is_to_blame_whatever_else_has_a_quoted_name(int code, string text)
        => Assert.Same(Orders, Culprit(code, text, Plain, Shop, Guest, Orders, Mallory));

    [Theory]
    [InlineData(404, "NOT_FOUND - no exchange 'orders' in vhost '/'")]
    [InlineData(403, "ACCESS_REFUSED - access to exchange 'orders' in vhost 'shop' refused for user 'guest'")]
    public void When_several_publishes_name_the_refused_exchange_none_is_blamed_but_the_exchange_is_known(
        int code, string text)
        => Assert.Equal(
            new Blame(null, Orders.Message),
            Refusal.Of([Plain, Orders, Shop, OrdersToo], new CloseReason(code, text, ByBroker: true)));

    [Fact]
    public void Among_several_with_a_wrong_user_id_the_first_is_it()
        => Assert.Same(Mallory, Culprit(406, "PRECONDITION_FAILED - user_id property set to 'mallory' "
            + "but authenticated user was 'guest'", Mallory, Plain, Job(userId: "mallory")));

    [Fact]
    public void A_user_id_that_is_not_the_connections_is_to_blame_and_the_connections_own_is_not()
        => Assert.Same(Mallory, Culprit(406, "PRECONDITION_FAILED - user_id property set to 'mallory' "
            + "but authenticated user was 'guest'", Plain, Guest, Mallory));

    [Theory]
    [InlineData(311, "CONTENT_TOO_LARGE")]
    [InlineData(406, "PRECONDITION_FAILED - invalid expiration 'soon'")]
    [InlineData(540, "NOT_IMPLEMENTED - immediate=true")]
    public void A_text_that_names_no_message_blames_the_only_one_in_flight_and_none_of_several(int code, string text)
    {
        Assert.Same(Plain, Culprit(code, text, Plain));
        Assert.Null(Culprit(code, text, Plain, Shop));
        Assert.Null(Culprit(code, text, Plain, Shop, Orders));
        Assert.Null(Culprit(code, text));
    }

    [Theory]
    [InlineData("PRECONDITION_FAILED - message size 200 is larger than configured max size 100")]
    [InlineData("PRECONDITION_FAILED - message size 200 is larger than max size 100")]
    public void A_size_above_the_brokers_limit_names_the_message_that_has_it(string text)
    {
        OutgoingJob large = Job(size: 200), largeToo = Job(size: 200);
        Assert.Same(large, Culprit(406, text, Plain, Job(size: 199), large, Shop, largeToo));
        Assert.Equal((200, 100), Refusal.Sizes(new CloseReason(406, text, ByBroker: true)));
        Assert.Null(Refusal.Sizes(new CloseReason(406, "PRECONDITION_FAILED - message size unknown", ByBroker: true)));
    }

    [Theory]
    [InlineData(541)]
    [InlineData(504)]
    [InlineData(505)]
    [InlineData(320)]
    [InlineData(0)]
    public void Other_codes_blame_no_message(int code) => Assert.Null(Culprit(code, "exchange 'orders'", Orders));

    [Fact]
    public void What_the_client_closed_blames_no_message()
        => Assert.Equal(
            default, Refusal.Of([Orders], new CloseReason(404, "no exchange 'orders' in vhost '/'", ByBroker: false)));

    private static OutgoingJob? Culprit(int code, string text, params OutgoingJob[] jobs)
        => Refusal.Of(jobs, new CloseReason(code, text, ByBroker: true)).Culprit;
}
