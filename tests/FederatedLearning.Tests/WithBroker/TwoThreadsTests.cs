using FederatedLearning.Tests.Support;
using TwoThreads;

namespace FederatedLearning.Tests.WithBroker;

public sealed class TwoThreadsTests(Node node)
{
    [Fact]
    public async Task Two_threads_on_one_channel_harm_each_other_in_every_way_shown_and_on_one_SafeAmqp_client_in_none()
    {
        await using var place = await node.NewPlaceAsync();
        using var output = new StringWriter();
        bool asSaid = await Showing.RunAsync(new Uri(place.Uri), output, TestContext.Current.CancellationToken);
        TestContext.Current.TestOutputHelper?.WriteLine(output.ToString());
        Assert.True(asSaid, output.ToString());
    }
}
