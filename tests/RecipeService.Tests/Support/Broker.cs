using LocalBroker;
using RecipeService.Tests.Support;

[assembly: AssemblyFixture(typeof(Broker))]

namespace RecipeService.Tests.Support;

/// <summary>The broker that all tests share. Without one they are skipped locally and fail where CI=true.</summary>
public sealed class Broker : IAsyncLifetime
{
    private ChosenBroker? _broker;
    private string? _whyNot;

    public async ValueTask InitializeAsync()
    {
        try
        {
            _broker = await ChosenBroker.FindOrStartAsync();
        }
        catch (BrokerUnavailableException error)
            when (error.Variable is null && Environment.GetEnvironmentVariable("CI") != "true")
        {
            _whyNot = error.Message;
        }
    }

    /// <summary>Where it is; skips the test when there is none.</summary>
    public Uri Uri
    {
        get
        {
            Assert.SkipWhen(_whyNot is not null, _whyNot ?? "");
            return _broker!.Uri;
        }
    }

    public ValueTask DisposeAsync() => _broker?.DisposeAsync() ?? ValueTask.CompletedTask;
}
