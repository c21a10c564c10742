namespace SafeAmqp.IntegrationTests.Storms;

/// <summary>The checker of the storms refuses every history that is not true.</summary>
public sealed class HistoryTests
{
    private readonly History _history = new(publishers: 2, messagesEach: 3);

    [Fact]
    public void A_true_history_passes()
    {
        Tell();
        _history.Verify();
    }

    [Fact]
    public void A_delivery_repeated_by_the_broker_and_marked_so_passes()
    {
        Tell();
        Deliver(0, 1, redelivered: true);
        _history.Verify();
    }

    [Theory]
    [InlineData("lost", "is lost")]
    [InlineData("made up", "never sent")]
    [InlineData("garbled", "nobody sent")]
    [InlineData("doubled", "2 times as new")]
    [InlineData("swapped", "before")]
    [InlineData("ended twice", "ended 2 times")]
    [InlineData("never ended", "ended 0 times")]
    [InlineData("cancelled", "Cancelled and was delivered")]
    [InlineData("not sent", "NotSent and was delivered")]
    [InlineData("returned", "Returned and was delivered")]
    [InlineData("nacked", "Nacked and was delivered")]
    [InlineData("internal error", "BUG FOUND")]
    public void A_doctored_history_is_refused(string doctoring, string because)
    {
        using var token = new CancellationTokenSource();
        token.Cancel();
        switch (doctoring)
        {
            case "lost":
                Tell(except: 2);
                _history.Attempted(0, 2);
                End(2);
                break;
            case "made up":
                Tell(except: 2);
                Deliver(0, 2);
                break;
            case "garbled":
                Tell();
                _history.Delivered(new byte[16], redelivered: false);
                _history.Delivered(new byte[3], redelivered: false);
                break;
            case "doubled":
                Tell();
                Deliver(0, 1);
                break;
            case "swapped":
                Tell(except: 1);
                _history.Attempted(0, 1);
                End(1);
                Deliver(0, 1); // behind 2
                break;
            case "ended twice":
                Tell();
                End(1);
                break;
            case "never ended":
                Tell(except: 1);
                _history.Attempted(0, 1);
                break;
            default:
                Tell(except: 1);
                _history.Attempted(0, 1);
                _history.Ended(0, 1, doctoring switch
                {
                    "cancelled" => new OperationCanceledException(token.Token),
                    "not sent" => new AmqpNotSentException("test"),
                    "returned" => new AmqpReturnedException("test"),
                    "nacked" => new AmqpNackedException("test"),
                    _ => new InvalidOperationException("BUG FOUND"),
                }, token.Token);
                Deliver(0, 1);
                break;
        }
        Assert.Contains(because, Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => _history.Verify()).Message, StringComparison.Ordinal);
    }

    private void Tell(int except = -1)
    {
        for (int number = 0; number < 3; number++)
        {
            if (number == except)
                continue;
            _history.Attempted(0, number);
            End(number);
            Deliver(0, number);
        }
    }

    private void End(int number) => _history.Ended(0, number, null, TestContext.Current.CancellationToken);

    private void Deliver(int publisher, int number, bool redelivered = false) => _history.Delivered(_history.Body(publisher, number), redelivered);
}
