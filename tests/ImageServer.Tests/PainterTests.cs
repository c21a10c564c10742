using ImageServer.Tests.Support;
using ImageWorkers.Painting;
using ImageWorkers.Searching;
using SkiaSharp;

namespace ImageServer.Tests;

public sealed class PainterTests
{
    [Fact]
    public async Task The_same_prompt_and_seed_give_the_same_picture_and_another_seed_another()
    {
        byte[] first = await DrawAsync("three red boats on a blue sea", 0);
        Assert.Equal(first, await DrawAsync("three red boats on a blue sea", 0));
        Assert.NotEqual(first, await DrawAsync("three red boats on a blue sea", 1));
        Assert.NotEqual(first, await DrawAsync("three red boats on a blue lake", 0));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void Two_prompts_differ_in_colours_and_in_the_number_of_shapes_as_their_words_say(int seed)
    {
        using var boats = Paint("three red boats on a blue sea", seed);
        using var stars = Paint("seven yellow stars over a green meadow at night", seed);

        Assert.Equal(3, Images.CountAreas(boats, Images.IsRed));
        Assert.Equal(0, Images.CountAreas(stars, Images.IsRed));
        Assert.Equal(7, Images.CountAreas(stars, Images.IsYellow));
        Assert.Equal(0, Images.CountAreas(boats, Images.IsYellow));
        Assert.InRange(Images.Share(boats, Images.IsBlue), 0.3, 1);
        Assert.InRange(Images.Share(stars, Images.IsGreen), 0.2, 1);
        Assert.InRange(Images.Share(boats, Images.IsGreen), 0, 0.02);
    }

    [Theory]
    [InlineData("a red circle on white paper", 1)]
    [InlineData("two red cars in the city", 2)]
    [InlineData("four red balloons in a blue sky", 4)]
    [InlineData("five red hearts on a blue background", 5)]
    [InlineData("9 red squares and two blue circles", 9)]
    [InlineData("twelve red triangles on a yellow wall", 12)]
    public void As_many_things_are_drawn_as_the_prompt_says(string prompt, int red)
    {
        for (int seed = 0; seed < 5; seed++)
        {
            using var picture = Paint(prompt, seed);
            Assert.Equal(
                red, Images.CountAreas(picture, color => color.Red > 180 && color.Green < 80 && color.Blue < 80));
        }
    }

    [Fact]
    public void A_prompt_is_read_with_numbers_sizes_colours_ground_and_light()
    {
        var scene = PromptReader.Read("Three small RED boats, and a huge yellow moon on a dark blue sea at night!");
        Assert.Equal(Ground.Sea, scene.Ground);
        Assert.Equal(Daytime.Night, scene.Daytime);
        Assert.Equal(Vocabulary.ColorOf("blue"), scene.GroundColor);
        Assert.Equal(
            [(Thing.Boat, 3, Vocabulary.ColorOf("red"), 0.65f), (Thing.Moon, 1, Vocabulary.ColorOf("yellow"), 2f)],
            scene.Groups.Select(group => (group.Thing, group.Count, group.Color, group.Size)));
    }

    [Fact]
    public void A_word_that_the_painter_does_not_know_has_a_shape_of_its_own()
    {
        Assert.Equal(
            [(Thing.Unknown, "zeppelin", 2)], PromptReader.Read("two zeppelins")
            .Groups.Select(group => (group.Thing, group.Word, group.Count)));
        using var zeppelins = Paint("two zeppelins", 0);
        using var gramophones = Paint("two gramophones", 0);
        Assert.NotEqual(zeppelins.Pixels, gramophones.Pixels);
    }

    [Theory]
    [InlineData("")]
    [InlineData("99999999999999999999 boats")]
    [InlineData("0 boats")]
    [InlineData("\0\ufffd🎨 ' OR 1=1 -- <script>")]
    public void Any_text_is_a_picture(string prompt)
    {
        using var picture = Paint(prompt, int.MaxValue);
        Assert.Equal((640, 480), (picture.Width, picture.Height));
    }

    [Fact]
    public void A_long_prompt_draws_no_more_than_a_picture_has_room_for()
    {
        var scene = PromptReader.Read(string.Concat(Enumerable.Repeat("twenty boats ", 1000)));
        Assert.InRange(scene.Groups.Count, 1, 6);
        Assert.All(scene.Groups, group => Assert.InRange(group.Count, 1, Vocabulary.MostThings));
    }

    [Fact]
    public void The_catalogue_is_searched_by_words_best_first_in_singular_and_plural()
    {
        var catalogue = new Catalogue(new Painter(), folder: null);
        Assert.InRange(catalogue.Count, 20, 100);
        Assert.Equal("three red boats on a blue sea", catalogue.Find("red boat")[0].Title);
        Assert.Equal(
            catalogue.Find("cat").Select(entry => entry.Title), catalogue.Find("the CATS")
            .Select(entry => entry.Title));
        Assert.All(catalogue.Find("mountains"), entry => Assert.Contains("mountain", entry.Words));
        Assert.Empty(catalogue.Find("zeppelin"));
        Assert.Empty(catalogue.Find("of the and"));
    }

    [Fact]
    public async Task A_folder_is_searched_by_the_words_of_its_files_names()
    {
        var folder = Directory.CreateTempSubdirectory("image-catalogue-");
        try
        {
            await File.WriteAllBytesAsync(
                Path.Combine(folder.FullName, "old_Zeppelin-over town.png"), Images.Gif,
                TestContext.Current.CancellationToken);
            var found = Assert.Single(new Catalogue(new Painter(), folder.FullName).Find("zeppelins"));
            Assert.Equal(Images.Gif, (await found.LoadAsync(TestContext.Current.CancellationToken)).ToArray());
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static SKBitmap Paint(string prompt, int seed)
        => Painter.Paint(PromptReader.Read(prompt), new Randomness(prompt, seed));

    private static async Task<byte[]> DrawAsync(string prompt, int seed)
        => (await new Painter().DrawAsync(prompt, seed, TestContext.Current.CancellationToken)).ToArray();
}
