using System.Net.Sockets;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;
using SafeAmqp.Actor;
using SafeAmqp.Broker;

namespace SafeAmqp.Tests.Broker;

public sealed class CloseClassifierTests
{
    [Theory]
    [InlineData(ShutdownInitiator.Peer, true)]
    [InlineData(ShutdownInitiator.Library, false)]
    [InlineData(ShutdownInitiator.Application, false)]
    public void A_close_is_the_brokers_when_the_peer_began_it(ShutdownInitiator initiator, bool byBroker)
        => Assert.Equal(
            new CloseReason(404, "NOT_FOUND", byBroker),
            CloseClassifier.Of(new ShutdownEventArgs(initiator, 404, "NOT_FOUND")));

    [Fact]
    public void Texts_of_the_broker_are_shortened_and_freed_of_control_characters()
    {
        CloseReason end = CloseClassifier.Of(
            new ShutdownEventArgs(ShutdownInitiator.Peer, 404, "a\r\nb\u001b" + new string('x', 500)));
        Assert.StartsWith("a\\u000d\\u000ab\\u001bxxx", end.Text, StringComparison.Ordinal);
        Assert.True(end.Text.Length < 230);
    }

    [Fact]
    public void What_the_broker_said_is_found_below_the_wrappers()
    {
        var closed = new OperationInterruptedException(
            new ShutdownEventArgs(ShutdownInitiator.Peer, 530, "NOT_ALLOWED"));
        Exception wrapped = new BrokerUnreachableException(
            new AggregateException(new ConnectFailureException("no", closed)));
        Assert.Equal((530, "NOT_ALLOWED", true), Parts(CloseClassifier.Of(wrapped)));
        Assert.True(CloseClassifier.IsRefusal(wrapped));
    }

    [Fact]
    public void Refused_credentials_are_a_refusal_of_the_broker()
    {
        Exception wrapped = new BrokerUnreachableException(
            new AuthenticationFailureException("ACCESS_REFUSED - Login was refused"));
        CloseReason end = CloseClassifier.Of(wrapped);
        Assert.Equal((403, true), (end.Code, end.ByBroker));
        Assert.True(CloseClassifier.IsRefusal(wrapped));
        Assert.True(CloseClassifier.IsRefusal(new PossibleAuthenticationFailureException(
            "possibly", new AuthenticationFailureException("ACCESS_REFUSED"))));
    }

    [Theory]
    [InlineData(403, true)]
    [InlineData(530, true)]
    [InlineData(320, false)]
    [InlineData(404, false)]
    [InlineData(541, false)]
    public void Only_403_and_530_will_fail_again_until_somebody_changes_an_account(int code, bool refusal)
        => Assert.Equal(refusal, CloseClassifier.IsRefusal(
            new OperationInterruptedException(new ShutdownEventArgs(ShutdownInitiator.Peer, (ushort)code, "text"))));

    [Fact]
    public void Other_failures_are_told_in_words_and_are_no_refusals()
    {
        var refused = new SocketException((int)SocketError.ConnectionRefused);
        Assert.StartsWith(
            "ConnectionRefused: ",
            CloseClassifier.Of(new BrokerUnreachableException(new ConnectFailureException("no", refused))).Text,
            StringComparison.Ordinal);
        Assert.Equal(
            (0, "the broker closed the connection", false), Parts(CloseClassifier.Of(new EndOfStreamException())));
        Assert.Equal((0, "slow", false), Parts(CloseClassifier.Of(new TimeoutException("slow"))));
        Assert.Equal((0, "no answer in time", false), Parts(CloseClassifier.Of(new OperationCanceledException())));
        Assert.IsType<TimeoutException>(CloseClassifier.Of(new TaskCanceledException()).Error);
        Assert.Equal("FormatException: oops", CloseClassifier.Of(new FormatException("oops")).Text);
        Assert.False(CloseClassifier.IsRefusal(new TimeoutException()) || CloseClassifier.IsRefusal(refused)
            || CloseClassifier.IsRefusal(new OperationCanceledException()));
    }

    private static (int Code, string Text, bool ByBroker) Parts(CloseReason end) => (end.Code, end.Text, end.ByBroker);
}
